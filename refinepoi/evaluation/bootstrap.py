"""Bootstrap: how far a mean over samples could have fallen otherwise.

Percentile intervals of resampled means. Every column of a call sees the same resamples, so that the interval of a
difference of two columns is the paired one. `clusters` keeps samples that belong together (one user's) together.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

CHUNK = 4_000_000  # weights in memory at once


def resampled_means(
    values: npt.NDArray[np.floating[Any]],
    clusters: npt.NDArray[np.integer[Any]] | None,
    resamples: int,
    draw: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """
    Means of each column over resamples of the rows, or of whole clusters of rows.

    values: [n, M], n >= 1.  clusters: int [n] or None (each row its own).  Returns float64 [resamples, M].
    """
    n = len(values)
    of = np.arange(n) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    units = int(of.max()) + 1
    means = np.empty((resamples, values.shape[1]))
    step = max(1, CHUNK // max(n, units))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = draw.integers(units, size=(size, units)) + units * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)[:, of].astype(np.float64)
        means[start : start + size] = weights @ values / weights.sum(1, keepdims=True)
    return means


def interval(means: npt.NDArray[np.float64], confidence: float) -> npt.NDArray[np.float64]:
    """Percentile interval of each column. means: [resamples, M]. Returns float64 [M, 2]."""
    tail = (1.0 - confidence) / 2.0
    return np.quantile(means, [tail, 1.0 - tail], axis=0).T
