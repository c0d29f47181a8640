"""Sequence models over visits, trained by refinepoi itself as peers in the table: SASRec (Kang and McAuley, 2018) and a
GRU (GRU4Rec, Hidasi et al., 2016). Departures from both: the loss is the whole softmax over the catalogue instead of
sampled negatives, and hour and weekday are inputs, the target's too where the protocol states them.

They obey the evidence's history and target time like every other method of a run. No library fits: RecBole 1.2 wants
ray < 2.7, RecTools 0.19 NumPy 1 and Lightning < 2.6, RePlay 0.22 polars 1 (all of 2026-11).
"""
