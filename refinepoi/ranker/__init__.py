"""Rankers fitted on training queries: gradient-boosted trees and a conditional logit over the evidence.

docs/method.md section 5: trees over the same counters are far above every published figure. They serve twice: as a row
of the table (`baseline.trees`), and between evidence and prompts (`ranker=trees`), where they put each query's
candidates in order and lend the prompt their probability as one more counter: a language model then knows what trees
know. The stored probabilities of training queries are cross-fitted, fit to be targets of distillation.
"""
