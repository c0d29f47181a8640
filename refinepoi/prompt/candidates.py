"""Candidates of the evidence as pieces: POIs and quantised counters of each query, in evidence or shuffled order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.core.seeding import generator
from refinepoi.prompt.bins import check_counters, fit_edges, quantise
from refinepoi.prompt.pieces import IntArray, Pieces
from refinepoi.prompt.spec import EvidencePrompt, QuestionPrompt


@dataclass(frozen=True)
class Candidates:
    """
    pois: [Q, m] POI of each shown candidate, -1 behind the last.
    counters: [Q, m, F] pieces of the counters.
    facts: prefix and edges of each counter.
    """

    pois: IntArray
    counters: IntArray
    facts: dict[str, Any]

    def of(self, query: int) -> tuple[IntArray, IntArray]:
        """POIs [n] and counter pieces [n, F] of one query."""
        there = self.pois[query] >= 0
        return self.pois[query][there], self.counters[query][there]


def read_candidates(
    spec: EvidencePrompt | QuestionPrompt,
    evidence: Evidence,
    train: IntArray,
    pieces: Pieces,
    name_bins: Callable[[int, str, np.ndarray], list[str]],
) -> Candidates:
    """Quantise the shown counters. train: query numbers whose values fit the bins.

    `name_bins(counter number, counter name, edges)` gives the text of each of the counter's bins.
    """
    check_counters(spec.counters, evidence)
    shown = min(spec.candidates, evidence.candidates.shape[1])
    pois = evidence.candidates[:, :shown].astype(np.int64)
    counters = np.zeros((*pois.shape, len(spec.counters)), np.int64)
    facts: dict[str, Any] = {}
    for number, name in enumerate(spec.counters):
        values = np.where(pois >= 0, evidence.counters[:, :shown, evidence.names.index(name)], 0)
        edges = fit_edges(values[train], spec.bins)
        names = name_bins(number, name, edges)
        counters[:, :, number] = pieces.block(names) + quantise(values, edges)
        facts[name] = {"words": [names[0], names[-1]], "edges": [float(edge) for edge in edges]}
    if spec.order == "shuffled":
        draws = generator(spec.seed, "prompt", "candidate order").random(pois.shape)
        order = np.argsort(np.where(pois >= 0, draws, 2.0), axis=1)
        pois = np.take_along_axis(pois, order, 1)
        counters = np.take_along_axis(counters, order[:, :, None], 1)
    return Candidates(pois, counters, facts)
