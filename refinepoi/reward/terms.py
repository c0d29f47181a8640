"""The terms of the reward (docs/method.md section 7), each a pure function of a batch of answers, in [0, 1].

Y is the list as it was written: an invalid or repeated entry keeps its place. No term pays for a list without a place
of the catalogue, nor for a list that is one place again and again (`Answers.worthless`); `length` counts different
places, so padding a list with repetitions or inventions earns nothing. The paper names the first five; formulas are
ours. Beyond it stand `distance`, `category`, `novelty` and `penalty`. All return float64 [n].
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.ranking import rank_in_list, reciprocal_rank
from refinepoi.reward.answers import Answers, Bools, Ints
from refinepoi.reward.places import Places

Values = npt.NDArray[np.float64]


def format(answers: Answers, reasoning_asked: bool) -> Values:
    """1 if the answer parses whole (with a reasoning block where one is asked), 0.5 if only a list is found in it."""
    orderly = answers.whole & (answers.reasoned | (not reasoning_asked))
    return paid(answers, np.where(orderly, 1.0, 0.5))


def rank(answers: Answers, target: Ints, k: int) -> Values:
    """1 / rank of the target among the first k entries, 0 where it is not among them."""
    return paid(answers, reciprocal_rank(rank_in_list(answers.items[:, :k], target)))


def soft(answers: Answers, target: Ints, k: int, nearness: "Nearness") -> Values:
    """The best of the first k entries: nearness to the target on the SOM grids, discounted by 1 / log2(1 + rank)."""
    first = answers.items[:, :k]
    return paid(answers, _best(first, nearness(np.maximum(first, 0), target[:, None])))


def hit(answers: Answers, target: Ints, k: int) -> Values:
    """The plain variant of `soft`: 1 where the target is among the first k entries."""
    return paid(answers, np.isfinite(rank_in_list(answers.items[:, :k], target)).astype(np.float64))


def distinct(answers: Answers) -> Values:
    """Different places over entries, |set(Y)| / |Y|."""
    return paid(answers, answers.places / np.maximum(answers.listed, 1))


def length(answers: Answers, k: int) -> Values:
    """1 - | |Y| - k | / k, at least 0; a list that is not too long counts with its different places only."""
    return paid(answers, np.clip(np.minimum(answers.places, 2 * k - answers.listed) / k, 0.0, 1.0))


def distance(answers: Answers, target: Ints, k: int, places: Places, kilometres: float) -> Values:
    """The best of the first k entries: exp(-km to the target / `kilometres`), discounted by 1 / log2(1 + rank)."""
    first = answers.items[:, :k]
    away = places.kilometres(np.maximum(first, 0), target[:, None])
    return paid(answers, _best(first, np.exp(-away / kilometres)))


def category(answers: Answers, target: Ints, k: int, places: Places) -> Values:
    """1 / log2(1 + rank) of the first entry of the target's category; of an unknown one, of the target itself."""
    first = answers.items[:, :k]
    kind, wanted = places.category[np.maximum(first, 0)], places.category[target][:, None]
    return paid(answers, _best(first, ((kind == wanted) & (wanted >= 0)) | (first == target[:, None])))


def novelty(answers: Answers, k: int, places: Places) -> Values:
    """How little known the list is: the self-information of its different places, over k of the rarest.

    After Vargas and Castells (2011), by training visits. It looks at no target: a constant list of rare places earns
    nearly all of it, so it belongs beside `rank`, at a small weight.
    """
    first = answers.items[:, :k]
    again = (first[:, :, None] == first[:, None, :]) & np.tri(first.shape[1], k=-1, dtype=np.bool_)
    counted = (first >= 0) & ~again.any(2)
    return paid(answers, np.where(counted, places.information[np.maximum(first, 0)], 0.0).sum(1) / k)


def penalty(answers: Answers, target: Ints, k: int) -> Values:
    """ReRe's rank-aware penalty for wrong items, in a list: 1 less what the wrong entries before the target cost.

    An entry at rank j costs 1 / log2(1 + j) over the sum of that for all k ranks: a confident mistake costs most. As in
    ReRe, where a group of beams without the target is not penalised, a list without it earns 0 whatever its order.
    """
    rank = rank_in_list(answers.items[:, :k], target)
    cost = 1.0 / np.log2(1.0 + np.arange(1, k + 1))
    before = np.concatenate([[0.0], np.cumsum(cost)]) / cost.sum()
    found = np.isfinite(rank)
    return paid(answers, np.where(found, 1.0 - before[np.where(found, rank, 1).astype(np.int64) - 1], 0.0))


def _best(first: Ints, values: npt.NDArray[Any]) -> Values:
    """The best of `values` [n, m], 0 at invalid entries of `first` [n, m], discounted by 1 / log2(1 + rank)."""
    discount = 1.0 / np.log2(2.0 + np.arange(first.shape[1]))
    best: Values = (np.where(first >= 0, values, 0.0) * discount).max(1)
    return best


def paid(answers: Answers, values: Values) -> Values:
    """`values` of answers that are worth anything, 0 for the others."""
    worth: Bools = ~answers.worthless
    return np.where(worth, values, 0.0)


class Nearness:
    """How near two places lie on the grids of the map: the mean over levels of exp(-d^2 / (2 width^2)), d the distance
    between their nodes in cells. A level counts only while all levels before it agree, since deeper grids have other
    meanings under other prefixes; a level that merely numbers POIs of one cell (policy `suffix`) counts when equal.
    """

    def __init__(self, semantic_ids: SemanticIds, width: float) -> None:
        self.codes = semantic_ids.codes.astype(np.int64)
        self.kernels = [_kernel(height, columns, width) for height, columns in semantic_ids.grids]
        if semantic_ids.policy == "suffix":
            self.kernels[-1] = np.eye(len(self.kernels[-1]))

    def __call__(self, pois: Ints, others: Ints) -> Values:
        """pois, others: int64 [...], broadcast together. Returns float64 [...], 1 for the place itself."""
        one, other = self.codes[pois], self.codes[others]
        agree = np.ones(np.broadcast_shapes(one.shape[:-1], other.shape[:-1]), np.bool_)
        total = np.zeros(agree.shape)
        for level, kernel in enumerate(self.kernels):
            a, b = one[..., level], other[..., level]
            total += np.where(agree, kernel[a, b], 0.0)
            agree = agree & (a == b)
        return total / len(self.kernels)


def _kernel(height: int, columns: int, width: float) -> Values:
    """float64 [H*W, H*W], exp(-d^2 / (2 width^2)) between all nodes of a grid."""
    row, column = np.divmod(np.arange(height * columns), columns)
    squared = (row[:, None] - row) ** 2 + (column[:, None] - column) ** 2
    return np.exp(-squared / (2.0 * width**2))
