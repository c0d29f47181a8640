"""Paired bootstrap over the same samples and, where a configuration has several seeds, over its seeds.

A configuration's value of a sample is the mean over its seeds. Each resample draws samples (or whole users), the same
for all, and the seeds of each configuration, the same for configurations that ran with the same seeds and for all
methods of a run. So the interval of a difference is the paired one; of one seed it speaks of the samples alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.artifacts.trajectories import SPLITS
from refinepoi.core.seeding import generator
from refinepoi.evaluation.bootstrap import interval, resampled_means
from refinepoi.evaluation.score import worth
from refinepoi.report.settings import Configuration
from refinepoi.report.spec import ReportSpec

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences, its interval, the two-sided bootstrap p-value (not adjusted)."""

    mean: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, eq=False)
class Estimates:
    """
    One split.  methods: K names, policy first.  metrics: M names.
    seeds: for each of C configurations float64 [S, K, M], a mean over samples for each of its seeds.
    draws: float64 [R, C, K, M], means over resamples.
    """

    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    seeds: tuple[Floats, ...]
    draws: Floats
    confidence: float

    def mean(self, configuration: int, metric: str, method: str = "policy") -> float:
        return float(self.seeds[configuration][:, *self._at(method, metric)].mean())

    def spread(self, configuration: int, metric: str, method: str = "policy") -> float | None:
        """Standard deviation over seeds; None of one seed."""
        values = self.seeds[configuration][:, *self._at(method, metric)]
        return float(values.std(ddof=1)) if len(values) > 1 else None

    def interval(self, configuration: int, metric: str, method: str = "policy") -> tuple[float, float]:
        low, high = interval(self.draws[:, configuration, *self._at(method, metric)][:, None], self.confidence)[0]
        return float(low), float(high)

    def difference(
        self, metric: str, one: int, other: int, method: str = "policy", against: str = "policy"
    ) -> Difference:
        """`method` of configuration `one` minus `against` of configuration `other`."""
        drawn = self.draws[:, one, *self._at(method, metric)] - self.draws[:, other, *self._at(against, metric)]
        low, high = interval(drawn[:, None], self.confidence)[0]
        mean = self.mean(one, metric, method) - self.mean(other, metric, against)
        return Difference(mean, float(low), float(high), two_sided(drawn))

    def _at(self, method: str, metric: str) -> tuple[int, int]:
        return self.methods.index(method), self.metrics.index(metric)


def estimate(found: Sequence[Configuration], split: str, ks: tuple[int, ...], spec: ReportSpec) -> Estimates | None:
    """All configurations of one protocol on one split; None where it has no samples. Methods: those all runs have."""
    runs = [run for configuration in found for run in configuration.runs]
    tables = [run.ranks.filter(pl.col("split") == SPLITS.index(split)) for run in runs]
    shared = set.intersection(*(set(table["method"].unique()) for table in tables))
    methods = tuple(["policy", *(m for m in runs[0].metrics["methods"] if m in shared - {"policy"})])
    users = tables[0].filter(pl.col("method") == "policy")["user"].to_numpy()
    if users.size == 0:
        return None
    metrics = tuple(worth(np.ones(1), ks))
    values = np.stack([np.stack([_worth(table, method, ks) for method in methods], 1) for table in tables], 1)
    clusters = users if spec.unit == "user" else None
    means = resampled_means(
        values.reshape(len(users), -1), clusters, spec.resamples, generator(spec.seed, "bootstrap", split)
    ).reshape(spec.resamples, *values.shape[1:])
    seeds, draws, first = [], [], 0
    for configuration in found:
        last = first + configuration.seeds
        seeds.append(values[:, first:last].mean(0))
        draw = generator(spec.seed, "seeds", split, configuration.seed_values)  # the same seeds are drawn together
        draws.append(over_seeds(means[:, first:last], draw))
        first = last
    return Estimates(methods, metrics, tuple(seeds), np.stack(draws, 1), spec.confidence)


def over_seeds(means: Floats, draw: np.random.Generator) -> Floats:
    """In each resample the mean of S seeds drawn with replacement from S. [R, S, ...] -> [R, ...]."""
    resamples, seeds = means.shape[:2]
    if seeds == 1:
        return means[:, 0]
    drawn = draw.integers(seeds, size=(resamples, seeds))
    chosen: Floats = means[np.arange(resamples)[:, None], drawn].mean(1)
    return chosen


def two_sided(drawn: Floats) -> float:
    """Two-sided p-value of resampled differences [R]: never 0, 1 where all are 0."""
    least = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, 2 * (1 + least) / (1 + len(drawn)))


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted by Holm for their number, in the order given."""
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, place in enumerate(np.argsort(values, kind="stable")):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = largest
    return adjusted


def _worth(table: pl.DataFrame, method: str, ks: tuple[int, ...]) -> Floats:
    """float64 [n, M], samples in the order of their numbers."""
    rank = table.filter(pl.col("method") == method)["rank"].to_numpy()
    return np.stack(list(worth(rank, ks).values()), 1)
