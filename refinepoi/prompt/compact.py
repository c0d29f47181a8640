"""The `compact` prompt: a stream of visits, for small models trained from scratch on whole users.

    target time known:  start d4 h12 g? <A_5,6><B_0,1> d4 h18 g4 <A_1,2><B_3,4> d4 h19 g2     (the target's words)
    target time hidden: start <A_5,6><B_0,1> d4 h12 g? <A_1,2><B_3,4> d4 h18 g4

Time stands before the visit where the target's time is known and behind it where it is hidden, so that training streams
and questions read alike. Streams hold every training visit once: each is cut from one user's visits, in time order.
"""

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.history import Asked, History
from refinepoi.prompt.pieces import IntArray, Pieces
from refinepoi.prompt.spec import CompactPrompt
from refinepoi.prompt.template import NOTHING, Template
from refinepoi.prompt.timewords import TimeWords


class CompactTemplate(Template):
    def __init__(self, spec: CompactPrompt, history: History, ids: Sequence[str]) -> None:
        super().__init__(Pieces(), history, spec.memory, spec.budget)
        self.start = np.array([self.pieces.add("start")])
        self.time = TimeWords(self.pieces, history)
        self.ids = self.pieces.block(ids)

    def about(self, history: History, evidence: Evidence) -> Self:
        other = super().about(history, evidence)
        other.time = self.time.about(history)
        return other

    def frame(self, asked: Asked) -> tuple[IntArray, ...]:
        closing = self.time.of_target(asked.query, asked.visible) if self.history.known else NOTHING
        return self.start, NOTHING, closing

    def visits(self, asked: Asked, places: IntArray) -> IntArray:
        return self._stream(places)

    def _stream(self, places: IntArray) -> IntArray:
        """[n, 4]"""
        time, id_ = self.time.of_visits(places), self.ids + self.history.poi[places]
        return np.stack([*time, id_] if self.history.known else [id_, *time], axis=1)

    def streams(self) -> Iterator[str]:
        """Training texts: each user's training visits in chunks of at most `budget` tokens."""
        places = np.flatnonzero(self.history.train)
        if len(places) == 0:
            return
        users = self.history.user[places]
        longest = int(self.pieces.costs[self._stream(places[:1])].sum())
        chunk = max(1, (self.budget - 1) // longest)
        for mine in np.split(places, np.flatnonzero(np.diff(users)) + 1):
            pieces = self._stream(mine)
            for first in range(0, len(mine), chunk):
                yield self.pieces.text(np.concatenate([self.start, pieces[first : first + chunk].ravel()]))
