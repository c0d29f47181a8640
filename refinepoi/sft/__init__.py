"""Supervised fine-tuning, the warm start of GRPO (docs/method.md section 6; the recipe is ours).

Up to three phases, each where it applies: `streams` (compact prompts: whole user streams, every visit supervised),
`targets` (prompt -> the place that was visited, followed by a list in the order of the evidence), `lists`
(self-distillation: the model's own likeliest places, by constrained beams, become the list it learns to write).
"""
