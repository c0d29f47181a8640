"""Counters of everybody's training visits before a query's cutoff, and of geography.

`Crowd` walks the training check-ins in time order; queries with ascending cutoffs cost one walk, an earlier cutoff
begins a new one. The queries may be those of other people than the training's: rows of a sight are rows of `world`.
Hour kernels are rounded to 1/64: their sums over counts are then exact, whatever is summed together (docs/method.md
section 4: a query's numbers may not depend on its neighbours).
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from refinepoi.evidence.own import Table
from refinepoi.evidence.sight import NONE, Sight, expand
from refinepoi.evidence.visits import hour_kernel, hours_apart, match_gap
from refinepoi.evidence.world import Floats, Ints, Queries, World

BINS = 24
HOUR_WIDTH = 1.0


@dataclass
class Crowd:
    """Everybody's training check-ins, and how far they have been counted."""

    world: World
    rows: Ints = field(init=False)  # training rows of World by utc
    table: Floats = field(init=False)  # [P, BINS] visits counted so far by hour of day
    counted: int = 0

    def __post_init__(self) -> None:
        train = np.flatnonzero(self.world.train)
        self.rows = train[np.argsort(self.world.utc[train], kind="stable")]
        self.table = np.zeros((self.world.pois, BINS))
        self._times = self.world.utc[self.rows]
        # moves from POI to POI: consecutive training rows of a user, by (from, time of arrival)
        after = train[(train > 0) & np.isfinite(self.world.log_gap[train])]
        after = after[self.world.train[after - 1]]
        order = np.lexsort((self.world.utc[after], self.world.poi[after - 1]))
        self._after = after[order]
        self._departures = self.world.time_of(self.world.poi[self._after - 1], self.world.utc[self._after])

    def popularity(self, queries: Queries, sight: Sight, hidden: bool) -> tuple[Floats, Floats]:
        """[m, P] visits before the cutoff, and those weighted by closeness to the target's hour (0 if hidden)."""
        total = np.empty((len(queries), self.world.pois))
        at_hour = np.zeros((len(queries), self.world.pois))
        kernels = rounded_kernels(queries.hour)
        ends = np.searchsorted(self._times, sight.cutoff)
        changes = np.flatnonzero(np.diff(ends, prepend=-1))
        for begin, stop in zip(changes, [*changes[1:], len(queries)], strict=True):
            self._count_until(int(ends[begin]))
            total[begin:stop] = self.table.sum(1)
            if not hidden:
                at_hour[begin:stop] = (self.table @ kernels[begin:stop].T).T
        return total, at_hour

    def _count_until(self, end: int) -> None:
        if end < self.counted:
            self.table[:] = 0.0
            self.counted = 0
        new = self.rows[self.counted : end]
        np.add.at(self.table, (self.world.poi[new], self.world.hour[new].astype(np.int64)), 1.0)
        self.counted = end

    def moves(self, world: World, queries: Queries, sight: Sight, hidden: bool, gap_width: float) -> Table:
        """
        Slots of the successors of each query's last POI; columns: moves, moves weighted by match of elapsed gap.
        world: whose rows the sight holds.
        """
        known = sight.last != NONE
        last = np.where(known, world.poi[sight.last], 0)
        begin = np.searchsorted(self._departures, self.world.time_of(last, np.full(len(last), self.world.origin)))
        end = np.searchsorted(self._departures, self.world.time_of(last, sight.cutoff))
        query, move = expand(begin, np.where(known, np.maximum(end - begin, 0), 0))
        row = self._after[move]
        keys, slot = np.unique(query * self.world.pois + self.world.poi[row], return_inverse=True)
        plain = np.bincount(slot, minlength=len(keys)).astype(np.float64)
        matched = np.zeros(len(keys))
        if not hidden:
            weights = match_gap(self.world.log_gap[row], sight.log_gap(world, queries)[query], gap_width)
            matched = np.bincount(slot, weights, minlength=len(keys)).astype(np.float64)
        return Table(keys, np.stack([plain, matched], 1))


def rounded_kernels(hour: Floats) -> Floats:
    """[m, BINS] weight of each hour of the day around each target, in steps of 1/64."""
    centres = np.arange(BINS, dtype=np.float64) + 0.5
    weights = hour_kernel(hours_apart(centres[None], hour[:, None]), HOUR_WIDTH)
    return np.asarray(np.rint(64 * weights) / 64)


def neighbours(world: World, count: int) -> Ints:
    """[P, min(count, P)] the POIs nearest to each, itself included."""
    count = min(count, world.pois)
    if count == 0:
        return np.zeros((world.pois, 0), np.int64)
    _, found = cKDTree(world.places).query(world.places, k=count)
    return np.asarray(found, np.int64).reshape(world.pois, count)
