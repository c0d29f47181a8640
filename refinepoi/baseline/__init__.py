"""Baselines: rankers over the evidence that every result table carries (docs/method.md section 5).

Counting alone equals a fine-tuned 7B model on NYC, so no figure means something without these beside it: popularity,
user frequency, the user's own transitions, visits at the target's hour, and conditional logits over the counters (D
without the target's time, E with it). They see exactly what the prompts may show. The rankers are our own.
"""
