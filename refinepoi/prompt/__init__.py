"""Prompts: check-in histories and evidence as text, the list a model should answer with, and the parser of answers.

Three templates (docs/method.md section 6) with one parser: `compact` (time words and semantic IDs, whole user streams
for training), `evidence` (the target's time, some visits, candidates with quantised counters) and `question` (natural
language). Which visits are shown is a choice of its own (`memory.py`); the budget is counted in words and ID tokens.
The paper's own wording is not public: all templates are ours.
"""
