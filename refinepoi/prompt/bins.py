"""Counters as words: bin 0 is zero or absent, the other bins are quantiles of the positive values.

Edges are fitted on the shown candidates of training queries only and travel in the facts of the artifact.
"""

import string

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence
from refinepoi.core.errors import UserError
from refinepoi.prompt.pieces import IntArray

Edges = dict[str, npt.NDArray[np.float64]]
"""Inner edges of the bins of each shown counter."""

_TAKEN = set("dgh")  # the time words of `timewords.py`


def check_counters(names: tuple[str, ...], evidence: Evidence) -> None:
    """Refuse names the evidence does not have, or names given twice."""
    unknown = [name for name in names if name not in evidence.names]
    if unknown:
        raise UserError(f"prompt.counters: {unknown} not among the counters of the evidence {list(evidence.names)}")
    if len(set(names)) < len(names):
        raise UserError(f"prompt.counters: a name is given twice in {list(names)}")


def prefixes(count: int) -> list[str]:
    """One letter for each counter (`a`, `b`, `c`, `e` ...), two when letters run out. Each ends in a letter."""
    letters = [letter for letter in string.ascii_lowercase if letter not in _TAKEN]
    pairs = [first + second for first in letters for second in letters]
    return [*letters, *pairs][:count]


def fit_edges(values: npt.NDArray[np.float32], bins: int) -> npt.NDArray[np.float64]:
    """Inner edges between bins 1..bins-1, ascending and distinct: at most bins - 2. values: any shape, >= 0."""
    positive = values[values > 0].astype(np.float64)
    if positive.size == 0 or bins <= 2:
        return np.empty(0)
    # observed values as edges, none at the smallest: no bin is left empty
    edges = np.unique(np.quantile(positive, np.arange(1, bins - 1) / (bins - 1), method="inverted_cdf"))
    return edges[edges > positive.min()]


def probability_edges(bins: int) -> npt.NDArray[np.float64]:
    """Inner edges for probabilities: half octaves below 1, whatever the data. What a ranker learned from one query's
    answer must not move the words of that query's own prompt, as edges fitted on all training queries would."""
    return np.asarray(2.0 ** (-np.arange(bins - 2, 0, -1) / 2))


def quantise(values: npt.NDArray[np.float32], edges: npt.NDArray[np.float64]) -> IntArray:
    """Bin of each value, same shape: 0 for zero, 1 + number of edges at or below it otherwise."""
    found = 1 + np.searchsorted(edges, values.astype(np.float64), side="right")
    return np.where(values > 0, found, 0).astype(np.int64)
