"""Words for time: weekday `d0`..`d6` (Monday first), hour `h0`..`h23`, gap since the visit before `g0`..`g12`.

`?` takes the place of the number where something is hidden or there is no visit before.
"""

from copy import copy
from typing import Self

import numpy as np

from refinepoi.artifacts.history import History
from refinepoi.prompt.pieces import IntArray, Pieces

GAP_MINUTES = np.array([15, 30, 60, 120, 240, 480, 960, 1440, 2880, 5760, 11520, 23040])
GAPS = len(GAP_MINUTES) + 1


def weekday(local: IntArray) -> IntArray:
    """0..6, Monday first, of local clock seconds. 1970-01-01 was a Thursday."""
    return (local // 86400 + 3) % 7


def hour(local: IntArray) -> IntArray:
    """0..23."""
    return local // 3600 % 24


def gap_bin(seconds: IntArray) -> IntArray:
    """0..12: bin of a time difference; edges at 15, 30 minutes, 1, 2, 4, 8, 16, 24 hours, 2, 4, 8, 16 days."""
    return np.searchsorted(GAP_MINUTES * 60, seconds, side="right").astype(np.int64)


class TimeWords:
    """Time words as pieces."""

    def __init__(self, pieces: Pieces, history: History) -> None:
        self.history = history
        self.day = pieces.block([*(f"d{n}" for n in range(7)), "d?"])
        self.hour = pieces.block([*(f"h{n}" for n in range(24)), "h?"])
        self.gap = pieces.block([*(f"g{n}" for n in range(GAPS)), "g?"])

    def about(self, history: History) -> Self:
        """The same words about other visits."""
        other = copy(self)
        other.history = history
        return other

    def of_visits(self, places: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Weekday, hour and gap words of visits, each [n]. The gap is to the visit before in `places`."""
        local, utc = self.history.local[places], self.history.utc[places]
        gaps = np.concatenate([np.full(min(1, len(places)), GAPS), gap_bin(np.diff(utc))])
        return self.day + weekday(local), self.hour + hour(local), self.gap + gaps

    def of_target(self, query: int, places: IntArray) -> IntArray:
        """The target's three words [3]. places: visible visits in time order, which the gap is counted from."""
        if not self.history.known:
            return np.array([self.day + 7, self.hour + 24, self.gap + GAPS])
        local = self.history.local[self.history.place[query]]
        gap = gap_to_target(self.history, query, places)
        return np.array([self.day + weekday(local), self.hour + hour(local), self.gap + gap])


def gap_to_target(history: History, query: int, places: IntArray) -> int:
    """Bin of the time from the last visible visit to the target; `GAPS` where there is none."""
    if len(places) == 0:
        return GAPS
    return int(gap_bin(history.utc[history.place[query]] - history.utc[places[-1]]))
