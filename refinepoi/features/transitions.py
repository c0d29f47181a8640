"""Transition block (optional): spectral vectors of "visited one after the other" (docs/method.md section 2).

Symmetric counts of consecutive training visits within `hours`, as positive pointwise mutual information, cut to its
largest singular vectors, each scaled by the root of its value. The encoder holds out pairs to measure itself; this
block has seen them, so with it the encoder's held-out figures are optimistic. It is off by default.
"""

import numpy as np
import numpy.typing as npt
from scipy import sparse

Vector = npt.NDArray[np.float64]


def transition_counts(
    trajectory: npt.NDArray[np.int32],
    poi: npt.NDArray[np.int32],
    utc: npt.NDArray[np.int64],
    hours: float,
    size: int,
) -> sparse.csr_array:
    """Symmetric counts [P, P] of consecutive visits to two POIs. Rows in time order; any mixture of trajectories."""
    order = np.argsort(trajectory, kind="stable")
    same = np.diff(trajectory[order]) == 0
    same &= np.diff(utc[order]) <= hours * 3600
    first, second = poi[order][:-1][same], poi[order][1:][same]
    keep = first != second
    ones = np.ones(int(keep.sum()))
    counts = sparse.coo_array((ones, (first[keep], second[keep])), shape=(size, size)).tocsr()
    return sparse.csr_array(counts + counts.T)


def spectral(counts: sparse.csr_array, dimensions: int) -> Vector:
    """PPMI of symmetric counts [P, P], cut to its largest singular vectors: [P, dimensions], zeros where rank ends."""
    size = counts.shape[0]
    result = np.zeros((size, dimensions))
    rank = min(dimensions, size - 2)
    if counts.nnz == 0 or rank < 1:
        return result
    table = counts.tocoo()
    degree = np.asarray(counts.sum(axis=1)).ravel()
    information = np.log(table.data * degree.sum() / (degree[table.row] * degree[table.col]))
    ppmi = sparse.csr_array((np.maximum(information, 0.0), (table.row, table.col)), shape=counts.shape)
    if ppmi.max() <= 0:
        return result
    start = np.ones(size) / np.sqrt(size)  # a fixed start makes ARPACK repeat itself
    left, values, _ = sparse.linalg.svds(ppmi, k=rank, v0=start)
    order = np.argsort(-values, kind="stable")
    left, values = left[:, order], np.maximum(values[order], 0.0)
    peak = np.abs(left).argmax(0)
    left = left * np.sign(left[peak, np.arange(rank)])  # the sign of a singular vector is arbitrary: fix it
    result[:, :rank] = left * np.sqrt(values)
    return result
