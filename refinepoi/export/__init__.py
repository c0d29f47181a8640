"""Export: the policy as a folder that needs nothing of refinepoi (`goal=export`).

Whole weights (an adapter is merged), tokenizer with chat template, generation settings, a model card, the table of
semantic IDs and a script that asks the model for places under the constraint of that table.
"""
