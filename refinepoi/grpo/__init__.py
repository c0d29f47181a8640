"""GRPO: the policy learns from rewards of whole ranked lists (docs/method.md sections 7 and 8), through TRL's trainer.

Two samplers: `constrained` (default) draws lists over the catalogue without duplicates, `free` draws text. The policy
that is scored is the policy that was sampled: with the constrained sampler, log-probabilities, ratios, entropy and KL
are over the allowed tokens at each position, and a prompt is computed once for its whole group (`trainer.py`).
Departures from TRL's defaults are settings in `conf/grpo`; the paper's own values are not known to us.
"""
