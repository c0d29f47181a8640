"""The audit of a run's data (docs/data.md): counts, time ranges, leak tests, oddities, on one page for a reviewer.

Leak tests alter what must not matter (check-ins of validation and test, a query's target and what follows it) and look
whether features, training pairs, evidence or prompts change. One that fails stops the run.
"""
