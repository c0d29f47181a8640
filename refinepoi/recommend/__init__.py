"""Recommendations for people: a trained run answers for anybody's visits, from Python or from a table.

`recommender.py` asks one question by the very code that training used: a one-person table of check-ins goes through
`evidence.count.Counting`, the prompt's template and the decoder of the evaluation, so an answer for a sample of the
protocol is the stored prediction. `trips.py` reads many people from a CSV, `stage.py` answers them all.
"""
