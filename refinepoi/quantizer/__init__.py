"""Quantizer: embeddings -> semantic IDs, one grid coordinate per level (docs/method.md section 3).

Known from the paper: a self-organising map with Gaussian neighbourhood, trained in batch, on residual levels, so that
neighbouring cells mean similar places. Ours: PCA start, exponential decay to a final sigma that grows with depth, and
what happens when two places share an ID (`nearest_free`). Peers behind the same spec: MiniSom, residual k-means,
random. Departs from the paper wherever its equations were not available to us; each such choice is a setting.
"""
