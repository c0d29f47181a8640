"""Candidates of the evidence as pieces: POIs and quantised counters of each query, in evidence or shuffled order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.core.seeding import generator
from refinepoi.prompt.bins import Edges, check_counters, fit_edges, probability_edges, quantise
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


class CandidateReader:
    """The counters a prompt shows: their pieces, and what becomes of their values."""

    def __init__(
        self,
        spec: EvidencePrompt | QuestionPrompt,
        edges: Edges,
        pieces: Pieces,
        name_bins: Callable[[int, str, np.ndarray], list[str]],
    ) -> None:
        """`name_bins(counter number, counter name, edges)` gives the text of each of the counter's bins."""
        self.spec, self.edges = spec, edges
        names = [name_bins(number, name, edges[name]) for number, name in enumerate(spec.counters)]
        self.first = [pieces.block(texts) for texts in names]
        self.facts = {
            name: {"words": [texts[0], texts[-1]], "edges": [float(edge) for edge in edges[name]]}
            for name, texts in zip(spec.counters, names, strict=True)
        }

    def read(self, evidence: Evidence) -> Candidates:
        """Candidates of every query of the evidence, their shown counters as pieces."""
        spec = self.spec
        shown = min(spec.candidates, evidence.candidates.shape[1])
        pois = evidence.candidates[:, :shown].astype(np.int64)
        counters = np.zeros((*pois.shape, len(spec.counters)), np.int64)
        for number, name in enumerate(spec.counters):
            values = np.where(pois >= 0, evidence.counters[:, :shown, evidence.names.index(name)], 0)
            counters[:, :, number] = self.first[number] + quantise(values, self.edges[name])
        if spec.order == "shuffled":
            draws = generator(spec.seed, "prompt", "candidate order").random(pois.shape)
            order = np.argsort(np.where(pois >= 0, draws, 2.0), axis=1)
            pois = np.take_along_axis(pois, order, 1)
            counters = np.take_along_axis(counters, order[:, :, None], 1)
        return Candidates(pois, counters, self.facts)


def fit_bins(spec: EvidencePrompt | QuestionPrompt, evidence: Evidence, train: IntArray) -> Edges:
    """Edges of each shown counter's bins. train: query numbers whose shown candidates fit them."""
    check_counters(spec.counters, evidence)
    shown = min(spec.candidates, evidence.candidates.shape[1])
    pois, edges = evidence.candidates[train, :shown], {}
    for name in spec.counters:
        values = np.where(pois >= 0, evidence.counters[:, :shown, evidence.names.index(name)][train], 0)
        likely = name in evidence.facts.get("probabilities", ())
        edges[name] = probability_edges(spec.bins) if likely else fit_edges(values, spec.bins)
    return edges
