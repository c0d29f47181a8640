"""Decoding: lists and items that can only be places of the catalogue (docs/method.md section 9).

A trie over the semantic-ID tokens says what may follow. `lists.py` samples or picks ordered lists without duplicates,
`list_beams.py` looks for likelier ones, `beam.py` finds the most likely single items exactly, `score.py` tells how
likely given items are; `constraint.py` gives the allowed set at each position of lists already made, so that training
scores what was sampled. `reasoning.py` lets a model think before its list. All continuations of one prompt share one
key-value cache of it (`branches.py`); models that cannot do that compute whole sequences (`recomputed.py`). Departure
from the paper, which samples free text: the catalogue is known, so nothing invalid is drawn.
"""
