"""From the words of the command line to jobs: composed and checked first, planned, then started by Hydra's launchers.

`composition.py` composes and validates every job; `plan.py` says what each would cost; `sweep.py` runs them.
"""
