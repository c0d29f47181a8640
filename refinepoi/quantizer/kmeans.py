"""k-means by scikit-learn, for every quantizer that needs it; residual k-means is it level by level.

The peer every SOM figure stands beside: it fits closest and its cell numbers mean nothing. scikit-learn adds up in the
order its threads finish, so one thread works here: the same rows give the same bytes.
"""

import warnings

import numpy as np

from refinepoi.core.seeding import generator
from refinepoi.quantizer.winners import F32


def fit_kmeans(x: F32, nodes: int, *, iterations: int, seed: int, level: int = 0, start: F32 | None = None) -> F32:
    """
    x: float32 [N, D]; start: first centres [nodes, D], or k-means++ drawn by seed and level. Returns float32
    [nodes, D]. With at most `nodes` rows each row is a centre and the last one repeats.
    """
    if len(x) <= nodes:
        return np.concatenate([x, np.repeat(x[-1:], nodes - len(x), axis=0)])
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    drawn = int(generator(seed, "kmeans", str(level)).integers(2**31))
    means = KMeans(
        nodes, init="k-means++" if start is None else start, n_init=1, max_iter=iterations, random_state=drawn
    )
    with threadpool_limits(1), warnings.catch_warnings():
        # Fewer distinct rows than nodes: centres repeat. That is a defined outcome here, not a fault of the data.
        warnings.filterwarnings("ignore", message="Number of distinct clusters", category=ConvergenceWarning)
        means.fit(x)
    return means.cluster_centers_.astype(np.float32)
