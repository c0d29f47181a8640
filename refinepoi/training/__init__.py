"""What the two trainers of the language model (`sft`, `grpo`) share: whole checkpoints, validation, watching a run."""
