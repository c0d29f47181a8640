"""The `question` prompt: plain language with long-term and short-term memory, for pretrained models.

Short-term memory is the current trip (all of it, most recent first when the budget is short), long-term memory the
visits of earlier trips that `memory` selects. Candidates come with representative values of their counters. Category
names are data and enter through `sanitise.py` only.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.prompt.bins import Edges
from refinepoi.prompt.candidates import CandidateReader
from refinepoi.prompt.history import History
from refinepoi.prompt.memory import remember
from refinepoi.prompt.pieces import IntArray, Pieces
from refinepoi.prompt.sanitise import sanitise
from refinepoi.prompt.spec import QuestionPrompt
from refinepoi.prompt.template import Template
from refinepoi.prompt.timewords import GAPS, gap_to_target, weekday

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
GAP_PHRASES = (
    "less than 15 minutes", "15 to 30 minutes", "30 to 60 minutes", "1 to 2 hours", "2 to 4 hours", "4 to 8 hours",
    "8 to 16 hours", "16 to 24 hours", "1 to 2 days", "2 to 4 days", "4 to 8 days", "8 to 16 days", "more than 16 days",
)  # fmt: skip
TASK = "A person checks in at places of a city. Each place has an ID made of tokens, close IDs mean similar places.\n"
LONG_TERM = "Visits of earlier trips:\n"
SHORT_TERM = "Visits of this trip:\n"
CHOICES = "Places that may be next:\n"
THINK = "First reason between <think> and </think> , then list . "


class QuestionTemplate(Template):
    def __init__(
        self,
        spec: QuestionPrompt,
        history: History,
        evidence: Evidence,
        edges: Edges,
        ids: Sequence[str],
        categories: Sequence[str],
    ) -> None:
        super().__init__(Pieces(), history, spec.memory, spec.budget)
        add, block = self.pieces.add, self.pieces.block
        self.ids = block(ids)
        self.category = block([sanitise(category) for category in categories])
        self.day = block(WEEKDAYS)
        self.clock = block([f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(1440)])
        self.gap = block([f"- {phrase} after the last visit" for phrase in GAP_PHRASES])
        self.gap_unknown = add("- the first visit")
        self.line = add("\n")
        self.opening = np.array([add(TASK), add(LONG_TERM)])
        self.short_term = np.array([add(SHORT_TERM)])
        self.choices = np.array([add(CHOICES)] if spec.candidates else [], np.int64)
        self.now = add("Now it is")
        ask = f"List the {spec.list_length} most likely next places, best first, as IDs and nothing else."
        self.ask = add(f"{THINK if spec.reasoning else ''}{ask}\nAnswer:")
        self.reader = CandidateReader(spec, edges, self.pieces, _name_bins)
        self.shown = self.reader.read(evidence)

    def about(self, history: History, evidence: Evidence) -> Self:
        other = super().about(history, evidence)
        other.shown = self.reader.read(evidence)
        return other

    def frame(self, query: int, places: IntArray) -> tuple[IntArray, ...]:
        return self.opening, self.short_term, self.choices, self._closing(query, places)

    def relevant(self, query: int, places: IntArray) -> IntArray:
        current = self.history.current(query, places)
        earlier = remember(self.memory, self.history, query, places, ~current)
        return np.concatenate([places[current][::-1], earlier])

    def visits(self, query: int, places: IntArray) -> IntArray:
        local, poi = self.history.local[places], self.history.poi[places]
        line = np.full(len(places), self.line)
        day, clock = self.day + weekday(local), self.clock + local // 60 % 1440
        return np.stack([day, clock, self.ids + poi, self.category + poi, line], axis=1)

    def candidates(self, query: int) -> IntArray:
        pois, counters = self.shown.of(query)
        named = np.stack([self.ids + pois, self.category + pois], axis=1)
        return np.concatenate([named, counters, np.full((len(pois), 1), self.line)], axis=1)

    def fill(
        self, frame: tuple[IntArray, ...], query: int, places: IntArray, candidates: IntArray
    ) -> tuple[IntArray, ...]:
        opening, short_term, choices, closing = frame
        now = self.history.current(query, places)
        long, short = self.visits(query, places[~now]).ravel(), self.visits(query, places[now]).ravel()
        return opening, long, short_term, short, choices, candidates.ravel(), closing

    def _closing(self, query: int, places: IntArray) -> IntArray:
        if not self.history.known:
            return np.array([self.ask])
        local = self.history.local[self.history.place[query]]
        gap = gap_to_target(self.history, query, places)
        return np.array([
            self.now, self.day + weekday(local), self.clock + local // 60 % 1440,
            self.gap_unknown if gap == GAPS else self.gap + gap, self.line, self.ask,
        ])  # fmt: skip


def _name_bins(number: int, name: str, edges: np.ndarray) -> list[str]:
    """`- user count 12 or more`: the counter's name and the lower edge of the bin, in two digits."""
    values = [f"{edge:.2g}" for edge in edges]
    first = f"below {values[0]}" if values else "some"
    return [f"- {name.replace('_', ' ')} {text}" for text in ("0", first, *(f"{value} or more" for value in values))]
