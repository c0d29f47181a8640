"""Conditional logit: P(candidate | query) = softmax over the query's candidates of w . x (docs/method.md section 5).

x holds value and log(1 + 10 value) of each counter, divided by their spread over the fitted rows (with log(1 + value)
E loses .02 Acc@1: kernel sums are small numbers). Samples whose target is not a candidate teach nothing and are left
out. Newton steps on the log-likelihood less l2 / 2 |w|^2: the counters are so alike that L-BFGS needs hundreds of
passes (5 times the time on NYC), Newton about ten.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
STEPS = 50
TOLERANCE = 1e-7  # a sample: least gain of log-likelihood that a further Newton step must promise
SCALE = 10.0


@dataclass(frozen=True)
class Logit:
    """weights: [2 F] of the values, then of the logarithms. likelihood: penalised, mean a sample."""

    counters: tuple[str, ...]
    weights: Floats
    samples: int
    likelihood: float

    def scores(self, evidence: Evidence, queries: Ints) -> Floats:
        """[n, C]; meaningless where there is no candidate."""
        return features(evidence, queries, self.counters) @ self.weights


def features(evidence: Evidence, queries: Ints, counters: Sequence[str]) -> Floats:
    """[n, C, 2 F]."""
    columns = [evidence.names.index(name) for name in counters]
    values = np.asarray(evidence.counters[queries][:, :, columns], np.float64)
    return np.concatenate([values, np.log1p(SCALE * values)], -1)


def fit(evidence: Evidence, queries: Ints, position: Ints, counters: Sequence[str], l2: float) -> Logit:
    """queries: [n] numbers of the samples; position: [n] of their targets among the candidates, -1 where absent."""
    queries, position = queries[position >= 0], position[position >= 0]
    n, width = len(queries), 2 * len(counters)
    if n == 0:
        return Logit(tuple(counters), np.zeros(width), 0, 0.0)
    valid = evidence.candidates[queries] >= 0
    rows = features(evidence, queries, counters)[valid]  # [N, 2 F] the candidates of all samples, one under the other
    spread = rows.std(0)
    spread[spread == 0] = 1.0
    rows /= spread
    counts = valid.sum(1)
    first = np.cumsum(counts) - counts
    query = np.repeat(np.arange(n), counts)
    target = first + (np.cumsum(valid, 1) - 1)[np.arange(n), position]
    wanted = rows[target].sum(0)

    def objective(weights: Floats) -> tuple[float, Floats]:
        """Penalised log-likelihood of the targets; [N] probability of each candidate within its sample."""
        score = rows @ weights
        score -= np.maximum.reduceat(score, first)[query]
        likely = np.exp(score)
        total = np.add.reduceat(likely, first)
        value = float((score[target] - np.log(total)).sum()) - l2 / 2 * float(weights @ weights)
        return value, likely / total[query]

    weights = np.zeros(width)
    value, likely = objective(weights)
    for _ in range(STEPS):
        slope = wanted - likely @ rows - l2 * weights
        weighted = rows * likely[:, None]
        mean = np.add.reduceat(weighted, first)
        step = np.linalg.solve(weighted.T @ rows - mean.T @ mean + l2 * np.eye(width), slope)
        gain, size = float(slope @ step), 1.0
        if gain < TOLERANCE * n:
            break
        while (tried := objective(weights + size * step))[0] < value + 0.1 * size * gain and size > 1e-6:
            size /= 2
        weights, (value, likely) = weights + size * step, tried
    return Logit(tuple(counters), weights / spread, n, value / n)
