"""Rankers that count and fit nothing. Scores are visits, so that 0 means "never" and ties with the whole catalogue."""

from collections.abc import Callable

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.ranker.logit import Floats, Ints

FREQUENCY_BACK_OFF = 0.01  # of a visit at the target's hour: frequency decides only between equals


def user_frequency(evidence: Evidence, queries: Ints) -> Floats:
    """Visible visits of the user; among equals the more recently visited first. [n, C]."""
    visits = evidence.counter("user_count")[queries].astype(np.float64)
    return np.where(visits > 0, visits + 1.0 / (1.0 + evidence.counter("visits_since_visit")[queries]), 0.0)


def user_markov(evidence: Evidence, queries: Ints) -> Floats:
    """How often the user went there right after the last POI; among equals by frequency. [n, C]."""
    frequency = user_frequency(evidence, queries)
    return evidence.counter("user_next")[queries] + frequency / (1.0 + frequency.max(1, keepdims=True))


def hour_frequency(hour_counter: str) -> Callable[[Evidence, Ints], Floats]:
    """Visits of the user around the target's hour (a kernel of the evidence), with a little frequency. [n, C]."""

    def score(evidence: Evidence, queries: Ints) -> Floats:
        return evidence.counter(hour_counter)[queries] + FREQUENCY_BACK_OFF * user_frequency(evidence, queries)

    return score
