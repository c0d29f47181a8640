"""Visits as equal pieces of numbers: training pieces of each user's stream, and the visible history of each query.

A piece has T places. Place t reads visit t and, where it is shown, the time of the visit asked for; it predicts the
next visit. What is seen follows the evidence (docs/method.md section 4); training reads the training split alone.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import SPLITS, Trajectories

Ints = npt.NDArray[np.int64]
GAP_HOURS = np.array([0.25, 0.5, 1, 2, 4, 8, 16, 24, 48, 96, 192, 384])
HOURS, DAYS, GAPS = 24, 7, len(GAP_HOURS) + 2  # the last number of each: nothing is known
NOTHING = -1


@dataclass(frozen=True)
class Pieces:
    """
    n pieces of T places, filled from the left; int64. poi, next: [n, T] POI read and POI to predict (`NOTHING` where
    there is none). times: [n, T, 5] hour and weekday of the visit read; hour, weekday and gap of the one asked for.
    last: [n] the last place that is filled; -1 where a query sees no visit.
    """

    poi: Ints
    next: Ints
    times: Ints
    last: Ints

    def take(self, rows: Ints) -> "Pieces":
        return Pieces(self.poi[rows], self.next[rows], self.times[rows], self.last[rows])

    def __len__(self) -> int:
        return len(self.poi)


class Stream:
    """All check-ins in the order (user, time)."""

    def __init__(self, trajectories: Trajectories, known: bool) -> None:
        table = {
            name: trajectories.checkins[name].to_numpy().astype(np.int64) for name in trajectories.checkins.columns
        }
        order = np.lexsort((table["utc"], table["user"]))
        self.known = known
        self.place = np.empty(len(order), np.int64)  # of each row of the table
        self.place[order] = np.arange(len(order))
        self.user, self.poi, self.utc, self.local, self.trajectory = (
            table[name][order] for name in ("user", "poi", "utc", "local", "trajectory")
        )
        self.train = table["split"][order] == SPLITS.index("train")

    def piece(self, places: Ints, asked: Ints, length: int) -> tuple[Ints, Ints]:
        """POIs [length] and times [length, 5] of the visits at `places`; asked: the visit that each place predicts."""
        poi = np.full(length, NOTHING, np.int64)
        times = np.tile(np.array([HOURS, DAYS, HOURS, DAYS, GAPS - 1]), (length, 1))
        n = len(places)
        poi[:n] = self.poi[places]
        times[:n, 0], times[:n, 1] = _clock(self.local[places])
        if self.known:
            times[:n, 2], times[:n, 3] = _clock(self.local[asked])
            gap = (self.utc[asked] - self.utc[places]) / 3600.0
            times[:n, 4] = np.searchsorted(GAP_HOURS, gap, side="right")
        return poi, times


def _clock(local: Ints) -> tuple[Ints, Ints]:
    return local // 3600 % 24, (local // 86_400 + 3) % 7


def training_pieces(stream: Stream, length: int) -> Pieces:
    """Each training visit but a user's first is predicted once; a piece begins half a piece before what it teaches."""
    places = np.flatnonzero(stream.train)
    poi, following, times, last = [], [], [], []
    for mine in np.split(places, np.flatnonzero(np.diff(stream.user[places])) + 1):
        taught = 1
        while taught < len(mine):
            begin = max(0, taught - 1 - length // 2) if taught > 1 else 0
            end = min(len(mine) - 1, begin + length)
            read, asked = mine[begin:end], mine[begin + 1 : end + 1]
            one, clock = stream.piece(read, asked, length)
            target = np.full(length, NOTHING, np.int64)
            target[taught - 1 - begin : len(read)] = stream.poi[asked[taught - 1 - begin :]]
            poi.append(one)
            times.append(clock)
            following.append(target)
            last.append(len(read) - 1)
            taught = end + 1
    shape = (len(poi), length)
    return Pieces(
        np.array(poi, np.int64).reshape(shape),
        np.array(following, np.int64).reshape(shape),
        np.array(times, np.int64).reshape(*shape, 5),
        np.array(last, np.int64),
    )


def query_pieces(stream: Stream, trajectories: Trajectories, evidence: Evidence, rows: Ints, length: int) -> Pieces:
    """The latest visible visits of held-out queries; `next` is the target, at the last place."""
    everything = evidence.facts["history"] == "all"
    target_place = stream.place[trajectories.queries["row"].to_numpy()[rows]]
    begins = np.searchsorted(stream.user, stream.user[target_place])
    n = len(rows)
    poi = np.full((n, length), NOTHING, np.int64)
    following = np.full((n, length), NOTHING, np.int64)
    times = np.zeros((n, length, 5), np.int64)
    last = np.zeros(n, np.int64)
    for number, (begin, target) in enumerate(zip(begins.tolist(), target_place.tolist(), strict=True)):
        earlier = np.arange(begin, target)
        earlier = earlier[stream.utc[earlier] < stream.utc[target]]
        if not everything:
            earlier = earlier[stream.train[earlier] | (stream.trajectory[earlier] == stream.trajectory[target])]
        seen = earlier[-length:]
        asked = np.append(seen[1:], target)[: len(seen)]
        poi[number], times[number] = stream.piece(seen, asked, length)
        last[number] = len(seen) - 1
        if len(seen):
            following[number, len(seen) - 1] = stream.poi[target]
    return Pieces(poi, following, times, last)
