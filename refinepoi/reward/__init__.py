"""Rewards: what an answer earns (docs/method.md section 7); each term is a pure function named in `terms.py`.

The paper names five terms; formulas and weights are ours and stand here and in `conf/reward`. Nothing is paid for
an answer without a place of the catalogue, nor for one place named again and again. `combine.py` hands them
to TRL; `user.py` adds a term of the user's own.
"""
