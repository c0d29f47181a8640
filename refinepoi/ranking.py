"""Where a target stands in a ranking, and what that is worth: the only definition, used by rewards and by evaluation.

Ranks are float64, 1 is best, infinity means "not there". A list is as it was written: an invalid entry (negative) and a
repeated one keep their place, so they cost what stands behind them. A ranker's ties share their expected rank:
a target that ties with m others behind b better ones has rank 1 + b + m / 2 (docs/method.md section 4).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Ranks = npt.NDArray[np.float64]


def rank_in_list(items: npt.ArrayLike, target: npt.ArrayLike) -> Ranks:
    """
    Place of the target's first mention in each list.

    items: int [..., k], negative where an entry names nothing (or the list is shorter).  target: int [...].
    Returns float64 [...]; infinity where the target is absent or itself negative.
    """
    found = np.asarray(items) == np.asarray(target)[..., None]
    found &= np.asarray(target)[..., None] >= 0
    if found.shape[-1] == 0:
        return np.full(found.shape[:-1], np.inf)
    return np.where(found.any(-1), found.argmax(-1) + 1.0, np.inf)


def expected_rank(
    scores: npt.NDArray[np.floating[Any]],
    position: npt.NDArray[np.integer[Any]],
    valid: npt.NDArray[np.bool_] | None = None,
) -> Ranks:
    """
    Rank of one candidate of each row by descending score, ties at their expectation.

    scores: float [n, C].  position: int [n], the target's column, negative where it is no candidate.
    valid: bool [n, C], the columns that are candidates (default: all).
    Returns float64 [n]; infinity where the target is no candidate. Raises ValueError on a NaN score of a candidate.
    """
    n, width = scores.shape
    if width == 0:
        return np.full(n, np.inf)
    if valid is None:
        valid = np.ones(scores.shape, np.bool_)
    bad = np.flatnonzero((np.isnan(scores) & valid).any(1))
    if bad.size:
        raise ValueError(f"scores of row {bad[0]} hold NaN: no rank can be given")
    column = np.maximum(position, 0)[:, None]
    present = (position >= 0) & np.take_along_axis(valid, column, 1)[:, 0]
    own = np.take_along_axis(scores, column, 1)
    better = ((scores > own) & valid).sum(1)
    equal = ((scores == own) & valid).sum(1) - 1  # without the target itself
    return np.where(present, 1.0 + better + equal / 2.0, np.inf)


def hit_at(rank: npt.ArrayLike, k: int) -> Ranks:
    """hit@k, 1 or 0; its mean is Acc@k. rank: [...]. Returns float64 [...]."""
    return (np.asarray(rank, np.float64) <= k).astype(np.float64)


def reciprocal_rank(rank: npt.ArrayLike, cutoff: int | None = None) -> Ranks:
    """1 / rank, 0 where the rank is infinite or beyond the cutoff; its mean is MRR (MRR@cutoff). float64 [...]."""
    rank = np.asarray(rank, np.float64)
    return np.where(rank <= (np.inf if cutoff is None else cutoff), 1.0 / rank, 0.0)


def ndcg_at(rank: npt.ArrayLike, k: int) -> Ranks:
    """NDCG@k with the target as the only relevant item: 1 / log2(1 + rank), 0 beyond k. Returns float64 [...]."""
    rank = np.asarray(rank, np.float64)
    return np.where(rank <= k, 1.0 / np.log2(1.0 + rank), 0.0)
