"""The `evidence` prompt: what counting knows, as words a small model can read (docs/method.md sections 5 and 6).

    d4 h19 g3 <A_1,2><B_3,4> d4 h12 <A_5,6><B_0,1> d4 h18 list a12 b0 c7 <A_5,6><B_0,1> a3 b9 c0 <A_1,2><B_3,4> answer

The target's weekday, hour and gap since the last visit (`d? h? g?` where hidden), the remembered visits as ID, weekday
and hour, then the candidates as counters and ID. Each counter has words of its own: no position must be counted. The
ID comes last, because a causal model has then read a candidate's evidence where it reads the ID it may copy.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.history import Asked, History
from refinepoi.prompt.bins import Edges, prefixes
from refinepoi.prompt.candidates import CandidateReader, Candidates
from refinepoi.prompt.pieces import IntArray, Pieces
from refinepoi.prompt.spec import EvidencePrompt
from refinepoi.prompt.template import Template
from refinepoi.prompt.timewords import TimeWords

LIST, ANSWER = "list", "answer"


class EvidenceTemplate(Template):
    def __init__(
        self, spec: EvidencePrompt, history: History, evidence: Evidence, edges: Edges, ids: Sequence[str]
    ) -> None:
        super().__init__(Pieces(), history, spec.memory, spec.budget)
        self.time = TimeWords(self.pieces, history)
        self.ids = self.pieces.block(ids)
        self.list = np.array([self.pieces.add(LIST)])
        self.answer = np.array([self.pieces.add(ANSWER)])
        letters = prefixes(len(spec.counters))

        def name_bins(number: int, name: str, edges: np.ndarray) -> list[str]:
            return [f"{letters[number]}{n}" for n in range(spec.bins)]

        self.reader = CandidateReader(spec, edges, self.pieces, name_bins)
        self.shown: Candidates = self.reader.read(evidence)

    def about(self, history: History, evidence: Evidence) -> Self:
        other = super().about(history, evidence)
        other.time, other.shown = self.time.about(history), self.reader.read(evidence)
        return other

    def frame(self, asked: Asked) -> tuple[IntArray, ...]:
        return self.time.of_target(asked.query, asked.visible), self.list, self.answer

    def visits(self, asked: Asked, places: IntArray) -> IntArray:
        day, hour, _ = self.time.of_visits(places)
        return np.stack([self.ids + self.history.poi[places], day, hour], axis=1)

    def candidates(self, asked: Asked) -> IntArray:
        pois, counters = self.shown.of(asked.query)
        return np.concatenate([counters, self.ids + pois[:, None]], axis=1)
