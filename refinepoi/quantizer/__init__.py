"""Quantizer: embeddings -> semantic IDs, one grid coordinate per level (docs/method.md section 3).

Known from the paper: a self-organising map with Gaussian neighbourhood, trained in batch, on residual levels, so that
neighbouring cells mean similar places. Ours: PCA start, exponential decay to a final sigma that grows with depth, and
what happens when two places share an ID (`nearest_free`). Others behind the same interface (`quantizer.py`, made by
`fit.py`): SOMs nested in cells, MiniSom, residual k-means, RQ-VAE, optimised product quantization, a category tree,
geographic cells, random codes. `incremental.py` gives IDs to new places from what is fitted. Departs from the paper
wherever its equations were not available to us; each such choice is a setting.
"""
