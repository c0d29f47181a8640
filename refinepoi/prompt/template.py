"""Template: how one query becomes a prompt. `compact`, `evidence` and `question` each say what they write.

The budget is kept here, once for all: the frame, then candidates in their order, then visits by relevance, while tokens
last. Tokens are words and ID tokens (`pieces.py`).
"""

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.core.errors import UserError
from refinepoi.prompt.history import History
from refinepoi.prompt.memory import remember
from refinepoi.prompt.pieces import IntArray, Pieces
from refinepoi.prompt.spec import Memory


@dataclass(frozen=True)
class Written:
    """One prompt: its text, its tokens, what it shows, and what the budget took away."""

    text: str
    tokens: int
    visible: int
    visits: int
    candidates: int
    dropped_visits: int
    dropped_candidates: int


class Template(ABC):
    """What all templates share. Pieces are added in `__init__` of each."""

    def __init__(self, pieces: Pieces, history: History, memory: Memory, budget: int) -> None:
        self.pieces, self.history, self.memory, self.budget = pieces, history, memory, budget

    def about(self, history: History, evidence: Evidence) -> Self:
        """The same pieces and bins about other queries."""
        other = copy(self)
        other.history = history
        return other

    @abstractmethod
    def frame(self, query: int, places: IntArray) -> tuple[IntArray, ...]:
        """The pieces the budget never shortens, in parts: what is shown goes between them. places: all visible."""

    @abstractmethod
    def visits(self, query: int, places: IntArray) -> IntArray:
        """[n, w] pieces of visits shown, in time order. A visit's tokens do not depend on the others shown."""

    def candidates(self, query: int) -> IntArray:
        """[m, w] pieces of the candidates, in their order. None by default."""
        return np.empty((0, 0), np.int64)

    def relevant(self, query: int, places: IntArray) -> IntArray:
        """The visits to show, most relevant first."""
        return remember(self.memory, self.history, query, places)

    def fill(
        self, frame: tuple[IntArray, ...], query: int, places: IntArray, candidates: IntArray
    ) -> tuple[IntArray, ...]:
        """The whole prompt in parts. places: the visits to show, in time order."""
        opening, middle, closing = frame
        return opening, self.visits(query, places).ravel(), middle, candidates.ravel(), closing

    def write(self, query: int) -> Written:
        """The prompt of one query within the budget."""
        costs = self.pieces.costs
        visible = self.history.visible(query)
        frame = self.frame(query, visible)
        left = self.budget - int(costs[np.concatenate(frame)].sum())
        if left < 0:
            needed = self.budget - left
            raise UserError(f"prompt.budget: {self.budget} tokens, but an empty prompt has {needed}: raise it")
        candidates = self.candidates(query)
        kept = _affordable(costs[candidates].sum(1), left)
        left -= int(costs[candidates[:kept]].sum())
        relevant = self.relevant(query, visible)
        shown = relevant[: _affordable(costs[self.visits(query, relevant)].sum(1), left)]
        numbers = np.concatenate(self.fill(frame, query, np.sort(shown), candidates[:kept]))
        return Written(
            text=self.pieces.text(numbers),
            tokens=int(costs[numbers].sum()),
            visible=len(visible),
            visits=len(shown),
            candidates=kept,
            dropped_visits=len(relevant) - len(shown),
            dropped_candidates=len(candidates) - kept,
        )


def _affordable(costs: IntArray, tokens: int) -> int:
    """How many of the first entries fit into `tokens`."""
    return int(np.searchsorted(np.cumsum(costs), tokens, side="right"))
