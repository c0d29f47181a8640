"""User profiles for the system message of `prompt=question`, in GenUP's manner: routines, preferred categories, hours,
home and work areas, activity. Written from training check-ins only, by a template or by a language model that reads
what the template says.

Departure: GenUP makes one profile of the whole training period, so that a training query is told of its own target.
Here a profile is made anew every `refresh_days`, of earlier check-ins only, and a query is told the latest one before
it; `refresh_days: null` is GenUP's way. Personality traits are asked for in `profile=llm` only, as words, not scores.
"""
