"""Template: how one query becomes a prompt. `compact`, `evidence` and `question` each say what they write.

The budget is kept here, once for all: the frame, then candidates in their order, then visits by relevance, while tokens
last. Tokens are words and ID tokens (`pieces.py`), which is what tokenizers from scratch count and the least that any
other one does; where that is more, `settle.py` cuts what is marked here as droppable.
"""

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.history import Asked, History
from refinepoi.core.errors import UserError
from refinepoi.prompt.memory import remember
from refinepoi.prompt.pieces import IntArray, Pieces
from refinepoi.prompt.spec import Memory

NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True)
class Written:
    """One prompt: its text, its tokens, what it shows, and what the budget took away.

    system: characters at its start that are the system message.
    droppable: first and end of each visit and candidate in the text, then of the profile; least needed first.
    """

    text: str
    tokens: int
    visible: int
    visits: int
    candidates: int
    dropped_visits: int
    dropped_candidates: int
    system: int
    droppable: tuple[int, ...]


class Template(ABC):
    """What all templates share. Pieces are added in `__init__` of each."""

    def __init__(self, pieces: Pieces, history: History, memory: Memory, budget: int) -> None:
        self.pieces, self.history, self.memory, self.budget = pieces, history, memory, budget

    def about(self, history: History, evidence: Evidence) -> Self:
        """The same pieces and bins about other queries."""
        other = copy(self)
        other.history = history
        return other

    def of_user(self, user: int, utc: int) -> Self:
        """The same, where every query is one of this user of the data, asked at this moment."""
        return self

    @abstractmethod
    def frame(self, asked: Asked) -> tuple[IntArray, ...]:
        """The pieces this never shortens, in parts: what is shown goes between them."""

    @abstractmethod
    def visits(self, asked: Asked, places: IntArray) -> IntArray:
        """[n, w] pieces of visits shown, in time order. A visit's tokens do not depend on the others shown."""

    def candidates(self, asked: Asked) -> IntArray:
        """[m, w] pieces of the candidates, in their order. None by default."""
        return np.empty((0, 0), np.int64)

    def system(self, asked: Asked) -> IntArray:
        """The pieces before all others that a chat template puts into the system message. None by default."""
        return NOTHING

    def profile(self, asked: Asked) -> IntArray:
        """The piece that describes the user, behind `system` and part of it. None by default."""
        return NOTHING

    def relevant(self, asked: Asked) -> IntArray:
        """The visits to show, most relevant first."""
        return remember(self.memory, self.history, asked.query, asked.visible)

    def arrange(
        self, frame: tuple[IntArray, ...], visits: IntArray, candidates: IntArray, asked: Asked, places: IntArray
    ) -> IntArray:
        """All in order. visits: [n, w] of `places`, in time order; candidates: [m, w]."""
        opening, middle, closing = frame
        return np.concatenate([opening, visits.ravel(), middle, candidates.ravel(), closing])

    def write(self, query: int) -> Written:
        """The prompt of one query within the budget."""
        costs = self.pieces.costs
        asked = self.history.ask(query)
        frame, system, profile = self.frame(asked), self.system(asked), self.profile(asked)
        left = self.budget - int(costs[np.concatenate([system, profile, *frame])].sum())
        if left < 0:
            needed = self.budget - left
            raise UserError(f"prompt.budget: {self.budget} tokens, but an empty prompt has {needed}: raise it")
        candidates = self.candidates(asked)
        kept = _affordable(costs[candidates].sum(1), left)
        left -= int(costs[candidates[:kept]].sum())
        relevant = self.relevant(asked)
        shown = relevant[: _affordable(costs[self.visits(asked, relevant)].sum(1), left)]
        places = np.sort(shown)
        visits, listed = self.visits(asked, places), candidates[:kept]
        body = self.arrange(frame, visits, listed, asked, places)
        numbers = np.concatenate([system, profile, body])
        text, begins = self.pieces.lay_out(numbers)
        # the same arrangement of row numbers says where each visit and each candidate stands
        head = len(system) + len(profile)
        blank = tuple(np.full_like(part, -1) for part in frame)
        rows = self.arrange(blank, _numbered(visits, 0), _numbered(listed, len(visits)), asked, places)
        order = [*np.searchsorted(places, shown)[::-1], *range(len(visits) + kept - 1, len(visits) - 1, -1)]
        at = _runs(rows, len(visits) + kept)[np.array(order, np.int64)] + head
        spans = [begins[at].ravel(), begins[[len(system), head]] if len(profile) else NOTHING]
        return Written(
            text=text,
            tokens=int(costs[numbers].sum()),
            visible=len(asked.visible),
            visits=len(shown),
            candidates=kept,
            dropped_visits=len(relevant) - len(shown),
            dropped_candidates=len(candidates) - kept,
            system=int(begins[head]),
            droppable=tuple(np.concatenate(spans).tolist()),
        )


def _affordable(costs: IntArray, tokens: int) -> int:
    """How many of the first entries fit into `tokens`."""
    return int(np.searchsorted(np.cumsum(costs), tokens, side="right"))


def _numbered(pieces: IntArray, first: int) -> IntArray:
    """An array of the same shape [n, w] that holds the number of each row, counted from `first`."""
    return np.broadcast_to(np.arange(first, first + len(pieces))[:, None], pieces.shape)


def _runs(rows: IntArray, count: int) -> IntArray:
    """[count, 2]: where each number 0..count-1 begins and ends in `rows`; each stands in one run."""
    runs = np.zeros((count, 2), np.int64)
    at = np.flatnonzero(rows >= 0)
    runs[rows[at[::-1]], 0] = at[::-1]
    runs[rows[at], 1] = at + 1
    return runs
