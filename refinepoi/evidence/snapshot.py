"""Snapshot: what everybody's training visits before a moment say of places, for people who do not know them yet.

Moments are multiples of `refresh_days` since 1970, so that which visits a query's snapshot holds depends on its cutoff
alone; visits of the last days are missing from it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from refinepoi.evidence.world import Floats, Ints, World

DAY = 86_400
SLOTS = 48  # hours of working days, then of weekends


@dataclass(frozen=True)
class Snapshot:
    """U users and P places of the training's world, K categories."""

    visited: csr_array[Any, Any]  # float64 [U, P], 1 where a user was
    norm: Floats  # [U] square root of the number of places of each user
    people: Floats  # [P] distinct visitors
    category_hours: Floats  # [K, SLOTS] first visits


class Snapshots:
    """Snapshots of a world, each made when first asked for; the last one is held."""

    def __init__(self, world: World, refresh_days: float) -> None:
        rows = np.flatnonzero(world.train)
        user = np.searchsorted(world.start, rows, "right") - 1
        _, first = np.unique(user * world.pois + world.poi[rows], return_index=True)  # rows of a user are in time order
        order = np.argsort(world.utc[rows[first]], kind="stable")
        self._row, self._user = rows[first][order], user[first][order]
        self._utc = world.utc[self._row]
        self._world, self._step = world, int(refresh_days * DAY)
        self._held: tuple[int, Snapshot] | None = None

    def moments(self, cutoff: Ints) -> Ints:
        """[m] of each query: visits earlier than it are seen, none at or after the cutoff."""
        return np.asarray(cutoff // self._step * self._step)

    def at(self, moment: int) -> Snapshot:
        end = int(np.searchsorted(self._utc, moment))
        if self._held is None or self._held[0] != end:
            self._held = end, self._make(end)
        return self._held[1]

    def _make(self, end: int) -> Snapshot:
        world, users = self._world, len(self._world.start) - 1
        row, user = self._row[:end], self._user[:end]
        poi = world.poi[row]
        visited = csr_array((np.ones(end), (user, poi)), shape=(users, world.pois))
        visited.sort_indices()
        hours = np.zeros((world.categories, SLOTS))
        np.add.at(hours, (world.category[poi], slots(world.hour[row], world.weekday[row])), 1.0)
        return Snapshot(
            visited=visited,
            norm=np.sqrt(np.maximum(np.diff(visited.indptr), 1)),
            people=np.bincount(poi, minlength=world.pois).astype(np.float64),
            category_hours=hours,
        )


def slots(hour: Floats, weekday: npt.NDArray[np.int64]) -> Ints:
    """Hour of the day, those of the weekend behind."""
    return np.asarray(hour.astype(np.int64) + 24 * (weekday >= 5))
