"""The five terms of the reward (docs/method.md section 7), each a pure function of a batch of answers, in [0, 1].

Y is the list as it was written: an invalid or repeated entry keeps its place. No term pays for a list without a place
of the catalogue, nor for a list that is one place again and again (`Answers.worthless`); `length` counts different
places, so padding a list with repetitions or inventions earns nothing. Formulas are ours; the paper names the terms.
All return float64 [n].
"""

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.ranking import rank_in_list, reciprocal_rank
from refinepoi.reward.answers import Answers, Bools, Ints

Values = npt.NDArray[np.float64]


def format(answers: Answers, reasoning_asked: bool) -> Values:
    """1 if the answer parses whole (with a reasoning block where one is asked), 0.5 if only a list is found in it."""
    orderly = answers.whole & (answers.reasoned | (not reasoning_asked))
    return _paid(answers, np.where(orderly, 1.0, 0.5))


def rank(answers: Answers, target: Ints, k: int) -> Values:
    """1 / rank of the target among the first k entries, 0 where it is not among them."""
    return _paid(answers, reciprocal_rank(rank_in_list(answers.items[:, :k], target)))


def soft(answers: Answers, target: Ints, k: int, nearness: "Nearness") -> Values:
    """The best of the first k entries: nearness to the target on the SOM grids, discounted by 1 / log2(1 + rank)."""
    first = answers.items[:, :k]
    near = np.where(first >= 0, nearness(np.maximum(first, 0), target[:, None]), 0.0)
    discount = 1.0 / np.log2(2.0 + np.arange(first.shape[1]))
    return _paid(answers, (near * discount).max(1))


def hit(answers: Answers, target: Ints, k: int) -> Values:
    """The plain variant of `soft`: 1 where the target is among the first k entries."""
    return _paid(answers, np.isfinite(rank_in_list(answers.items[:, :k], target)).astype(np.float64))


def distinct(answers: Answers) -> Values:
    """Different places over entries, |set(Y)| / |Y|."""
    return _paid(answers, answers.places / np.maximum(answers.listed, 1))


def length(answers: Answers, k: int) -> Values:
    """1 - | |Y| - k | / k, at least 0; a list that is not too long counts with its different places only."""
    return _paid(answers, np.clip(np.minimum(answers.places, 2 * k - answers.listed) / k, 0.0, 1.0))


def _paid(answers: Answers, values: Values) -> Values:
    paid: Bools = ~answers.worthless
    return np.where(paid, values, 0.0)


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
