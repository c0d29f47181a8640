"""Supervised fine-tuning: the warm start of the policy (docs/method.md section 6).

Streams of visits (`compact`) or one answer a query, then lists among the policy's own likeliest places, so that a
greedy list is good at every place and not at the first alone. Departures from the paper, whose SFT settings are not
known: the answers hold the target and other candidates, not reasoning; the list phase is ours.
"""
