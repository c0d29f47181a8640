"""Residual k-means: the same residual levels without a neighbourhood, through scipy's k-means.

The peer every SOM figure stands beside: it fits closest and its cell numbers mean nothing. The k-means++ start is ours:
scipy's measures all distances anew for every seed, which at 256 nodes takes longer than the iterations.
"""

import warnings

import numpy as np
from scipy.cluster.vq import kmeans2

from refinepoi.core.seeding import generator
from refinepoi.quantizer.winners import F32


def fit_kmeans(x: F32, nodes: int, *, iterations: int, seed: int, level: int = 0) -> F32:
    """x: float32 [N, D]. Returns float32 [nodes, D]; with fewer distinct rows than nodes the last row repeats."""
    distinct = np.unique(x, axis=0)
    if len(distinct) <= nodes:
        return np.concatenate([distinct, np.repeat(distinct[-1:], nodes - len(distinct), axis=0)])
    start = _plus_plus(x, nodes, generator(seed, "kmeans", str(level)))
    with warnings.catch_warnings():
        # An empty cluster keeps its centre: that is a defined outcome here, not a fault of the data.
        warnings.filterwarnings("ignore", message="One of the clusters is empty", category=UserWarning)
        centres, _ = kmeans2(x, start, iter=iterations, minit="matrix")
    return centres.astype(np.float32)


def _plus_plus(x: F32, nodes: int, draw: np.random.Generator) -> F32:
    """k-means++: each seed is a row drawn by its squared distance to the seeds before it."""
    norms = np.square(x, dtype=np.float64).sum(1)
    picked = [int(draw.integers(len(x)))]
    nearest = np.full(len(x), np.inf)
    for _ in range(nodes - 1):
        last = picked[-1]
        away = norms + norms[last] - 2 * (x @ x[last]).astype(np.float64)
        nearest = np.minimum(nearest, np.maximum(away, 0))
        nearest[picked] = 0
        total = np.cumsum(nearest)
        picked.append(int(np.searchsorted(total, draw.random() * total[-1], side="right").clip(0, len(x) - 1)))
    return x[picked]
