"""The `question` prompt: plain language with long-term and short-term memory, for pretrained models.

Short-term memory is the current trip (all of it, most recent first when the budget is short), long-term memory the
visits of earlier trips that `memory` selects. Candidates come with representative values of their counters. Distances
are counted from the place the user is at. The task and the user's profile are the system message, where the model has
such a thing. Category names and profiles are data and enter through `sanitise.py` only.
"""

from collections.abc import Sequence
from copy import copy
from typing import Self

import numpy as np
import polars as pl

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.history import Asked, History
from refinepoi.artifacts.profiles import Profiles
from refinepoi.prompt.bins import Edges
from refinepoi.prompt.candidates import CandidateReader
from refinepoi.prompt.distance import Distances
from refinepoi.prompt.memory import remember
from refinepoi.prompt.pieces import IntArray, Pieces
from refinepoi.prompt.sanitise import LONGEST_PROFILE, sanitise
from refinepoi.prompt.spec import QuestionPrompt
from refinepoi.prompt.template import NOTHING, Template
from refinepoi.prompt.timewords import GAPS, gap_to_target, weekday

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
GAP_PHRASES = (
    "less than 15 minutes", "15 to 30 minutes", "30 to 60 minutes", "1 to 2 hours", "2 to 4 hours", "4 to 8 hours",
    "8 to 16 hours", "16 to 24 hours", "1 to 2 days", "2 to 4 days", "4 to 8 days", "8 to 16 days", "more than 16 days",
)  # fmt: skip
AFTER = "- {} after the last visit"
TASK = "A person checks in at places of a city. Each place has an ID made of tokens, close IDs mean similar places.\n"
PROFILE = "About this person:"
LONG_TERM = "Visits of earlier trips:\n"
SHORT_TERM = "Visits of this trip:\n"
CHOICES = "Places that may be next:\n"
NOW = "Now it is"
THINK = "First reason between <think> and </think> , then list . "


def asks(spec: QuestionPrompt) -> str:
    """The end of every prompt."""
    ask = f"List the {spec.list_length} most likely next places, best first, as IDs and nothing else."
    return f"{THINK if spec.reasoning else ''}{ask}\nAnswer:"


class QuestionTemplate(Template):
    def __init__(
        self,
        spec: QuestionPrompt,
        history: History,
        evidence: Evidence,
        edges: Edges,
        ids: Sequence[str],
        pois: pl.DataFrame,
        profiles: Profiles,
    ) -> None:
        """edges: of the shown counters' bins. pois: the catalogue."""
        super().__init__(Pieces(), history, spec.memory, spec.budget)
        add, block = self.pieces.add, self.pieces.block
        self.ids = block(ids)
        self.category = block([sanitise(category) for category in pois["category"]]) if spec.categories else None
        places = (pois[column].to_numpy() for column in ("latitude", "longitude"))
        self.distances = Distances(self.pieces, *places) if spec.distances else None
        self.day = block(WEEKDAYS)
        self.clock = block([f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(1440)])
        self.gap = block([AFTER.format(phrase) for phrase in GAP_PHRASES])
        self.gap_unknown = add("- the first visit")
        self.line = add("\n")
        self.task = np.array([add(TASK)])
        texts = [sanitise(text, LONGEST_PROFILE) for text in profiles.table["text"]]
        self.profiles = block([f"{PROFILE} {text}\n" for text in texts])
        self.told = profiles
        self.profile_of = profiles.rows_for(history.user[history.place], history.known_until)
        self.opening = np.array([add(LONG_TERM)])
        self.short_term = np.array([add(SHORT_TERM)])
        self.choices = np.array([add(CHOICES)] if spec.candidates else [], np.int64)
        self.now = add(NOW)
        self.ask = add(asks(spec))
        self.reader = CandidateReader(spec, edges, self.pieces, _name_bins)
        self.shown = self.reader.read(evidence)

    def about(self, history: History, evidence: Evidence) -> Self:
        other = super().about(history, evidence)
        other.shown = self.reader.read(evidence)
        other.profile_of = np.full(len(history.place), -1)  # these are not known to be users of the data
        return other

    def of_user(self, user: int, utc: int) -> Self:
        other = copy(self)
        other.profile_of = np.full(len(self.history.place), self.told.rows_for(np.array([user]), np.array([utc]))[0])
        return other

    def system(self, asked: Asked) -> IntArray:
        return self.task

    def profile(self, asked: Asked) -> IntArray:
        row = self.profile_of[asked.query]
        return NOTHING if row < 0 else np.array([self.profiles + row])

    def frame(self, asked: Asked) -> tuple[IntArray, ...]:
        return self.opening, self.short_term, self.choices, self._closing(asked)

    def relevant(self, asked: Asked) -> IntArray:
        current = self.history.current(asked.query, asked.visible)
        earlier = remember(self.memory, self.history, asked.query, asked.visible, ~current)
        return np.concatenate([asked.visible[current][::-1], earlier])

    def visits(self, asked: Asked, places: IntArray) -> IntArray:
        local, poi = self.history.local[places], self.history.poi[places]
        day, clock = self.day + weekday(local), self.clock + local // 60 % 1440
        return np.stack([day, clock, *self._named(asked, poi), np.full(len(places), self.line)], axis=1)

    def candidates(self, asked: Asked) -> IntArray:
        pois, counters = self.shown.of(asked.query)
        named = np.stack(self._named(asked, pois), axis=1)
        return np.concatenate([named, counters, np.full((len(pois), 1), self.line)], axis=1)

    def _named(self, asked: Asked, pois: IntArray) -> list[IntArray]:
        """ID, category and distance of places, each [n], as far as they are to be shown."""
        named = [self.ids + pois]
        if self.category is not None:
            named.append(self.category + pois)
        if self.distances is not None:
            named.append(self.distances.of(asked.here, pois))
        return named

    def arrange(
        self, frame: tuple[IntArray, ...], visits: IntArray, candidates: IntArray, asked: Asked, places: IntArray
    ) -> IntArray:
        opening, short_term, choices, closing = frame
        now = self.history.current(asked.query, places)
        long, short = visits[~now].ravel(), visits[now].ravel()
        return np.concatenate([opening, long, short_term, short, choices, candidates.ravel(), closing])

    def _closing(self, asked: Asked) -> IntArray:
        if not self.history.known:
            return np.array([self.ask])
        local = self.history.local[self.history.place[asked.query]]
        gap = gap_to_target(self.history, asked.query, asked.visible)
        return np.array([
            self.now, self.day + weekday(local), self.clock + local // 60 % 1440,
            self.gap_unknown if gap == GAPS else self.gap + gap, self.line, self.ask,
        ])  # fmt: skip


def _name_bins(number: int, name: str, edges: np.ndarray) -> list[str]:
    """`- user count 12 or more`: the counter's name and the lower edge of the bin, in two digits."""
    values = [f"{edge:.2g}" for edge in edges]
    first = f"below {values[0]}" if values else "some"
    return [f"- {name.replace('_', ' ')} {text}" for text in ("0", first, *(f"{value} or more" for value in values))]
