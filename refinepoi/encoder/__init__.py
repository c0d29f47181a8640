"""Encoder: an MLP that smooths concatenated POI features into vectors (docs/method.md section 2).

InfoNCE in a LightningModule; positives are POIs visited one after the other in training trajectories, and two views of
one POI under feature dropout; known positives are no negatives. Early stopping on held-out pairs, best weights kept,
resumed after a crash from the last whole epoch with byte-identical results on CPU. [known]: contrastive, "smoothed";
the loss, the positives and all sizes are ours (conf/encoder/).
"""
