"""Evaluation: the policy's ranked lists, and the table of metrics every method of a run appears in.

docs/method.md sections 4 and 5. Two stages, so that a change of scoring never decodes again: `predict` lets a policy
write one list for each validation and test query; `score` turns lists and ranks into Acc@k, MRR and NDCG at POI level
over the whole catalogue, with bootstrap intervals, strata and paired differences. Departures: none from the paper's
metrics; the intervals, the paired differences, MRR cut at the list length for all methods, and the counting baselines
in the same table are ours, because on 1,348 samples two methods closer than .03 cannot be told apart.
"""
