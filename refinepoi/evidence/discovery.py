"""Discovery: places that a user never visited, in the order of how likely they are a first visit.

Every place of the catalogue is scored by how near it is, what people alike visit, the area the user is in at this hour
and what kind of place is visited first at this hour; the best become candidates, and the sources counters. A query's
own past is exact; everybody's is that of the last `Snapshot` before its cutoff. The score is a sum of
weight * log(1 + 10 source): weights are settings, fitted on training queries once, so that no later visit moves them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from refinepoi.core.earth import EARTH_KM
from refinepoi.evidence.area import areas_of
from refinepoi.evidence.names import DISCOVERY, SOURCES
from refinepoi.evidence.own import Table
from refinepoi.evidence.sight import NONE, Sight, expand
from refinepoi.evidence.snapshot import Snapshot, Snapshots
from refinepoi.evidence.spec import DiscoverySpec
from refinepoi.evidence.visits import hour_kernel, hours_apart
from refinepoi.evidence.world import Floats, Ints, Queries, World

CELLS = 1 << 21  # scores held at a time; memory only
SCALE = 10.0
NEAREST = 0.05  # km: what is nearer is as near
SOON = 6.0  # hours: after so many the way from the last place counts 1/e
HOUR_WIDTH = 1.5  # of everybody's first visits
OWN_WIDTH = 2.0  # of the user's visits
OTHER_HOUR = 1e-3  # least weight of an own visit
OTHER_KIND = 0.3  # weight of weekends for working days, and the other way
Dense = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """values: [m or 1, K], >= 0.  column: [P] which of the K is a place's."""

    values: Dense
    column: Ints

    def at(self, query: Ints, poi: Ints) -> Dense:
        return np.asarray(self.values[query if len(self.values) > 1 else 0, self.column[poi]])


class Found(NamedTuple):
    """
    table: slots that were asked for and, beside them, the best new places of each query; columns as `DISCOVERY`, 0
    where the user has been. listed: [n] whether a slot is one of those best.
    """

    table: Table
    listed: npt.NDArray[np.bool_]


class Discovery:
    """Candidates for anybody's first visits. world: that of the training check-ins."""

    def __init__(self, world: World, spec: DiscoverySpec, places: int, hidden: bool) -> None:
        """places: new ones that are listed of each query."""
        self.spec, self.count, self.hidden = spec, places, hidden
        self.weights = spec.weights.hidden if hidden else spec.weights.known
        self.snapshots = Snapshots(world, spec.refresh_days)
        self.areas = areas_of(world.places, spec.cell_km)
        self.around = self.areas.kernel(spec.area_km)
        self.category, self.places = world.category, world.places.astype(np.float32)
        self.every = np.arange(world.pois)

    def find(self, world: World, queries: Queries, sight: Sight, own: Table, keys: Ints) -> "Found":
        """world: whose rows the sight holds. own: the visited slots. keys: [n] sorted slots, candidates anyway."""
        moment, pois = self.snapshots.moments(sight.cutoff), world.pois
        parts = [Found(Table(keys[:0], np.zeros((0, len(DISCOVERY)))), np.zeros(0, np.bool_))]
        for begin, end in blocks(moment, max(CELLS // pois, 1)):
            been, asked = within(own.keys, begin, end, pois), within(keys, begin, end, pois)
            rows = np.arange(begin, end)
            sources = self.sources(world, queries, sight, been, rows, self.snapshots.at(int(moment[begin])))
            likely = self.likely(sources, been, len(rows))
            listed = best(likely, self.count)
            slot = np.union1d(asked, listed)
            query, poi, new = slot // pois, slot % pois, likely.ravel()[slot]
            values = np.stack([*(sources[name].at(query, poi) for name in SOURCES), new], 1)
            values = np.where((new > 0)[:, None], values, 0.0)
            parts.append(Found(Table(slot + begin * pois, values), np.isin(slot, listed)))
        tables = [part.table for part in parts]
        table = Table(np.concatenate([t.keys for t in tables]), np.concatenate([t.values for t in tables]))
        return Found(table, np.concatenate([part.listed for part in parts]))

    def likely(self, sources: dict[str, Source], been: Ints, m: int) -> Dense:
        """[m, P] probability of each place to be the next first visit, 0 where the user has been (slots `been`)."""
        score = np.zeros((m, len(self.every)), np.float32)
        parts: dict[int, list[str]] = {}  # sources of one kind are added up before they are spread over the places
        for name in self.weights:
            parts.setdefault(id(sources[name].column), []).append(name)
        for together in parts.values():
            part, column = np.zeros((1, 1), np.float32), sources[together[0]].column
            for name in together:
                part = part + np.float32(self.weights[name]) * np.log(1 + np.float32(SCALE) * sources[name].values)
            score += part if column is self.every else part[:, column]
        score.reshape(-1)[been] = -np.inf
        likely = np.exp(score - np.maximum(score.max(1, keepdims=True, initial=-np.inf), -1e30))
        return np.asarray(likely / np.maximum(likely.sum(1, keepdims=True), 1e-30))

    def sources(
        self, world: World, queries: Queries, sight: Sight, been: Ints, rows: Ints, crowd: Snapshot
    ) -> dict[str, Source]:
        """Of consecutive queries `rows` [m] that share a snapshot. been: visited slots, counted from the first."""
        m, pois, last = len(rows), world.pois, sight.last[rows]
        near = np.where((last != NONE)[:, None], self.nearness(world.poi[last]), np.float32(0))
        pair, seen = expand(sight.first[rows], np.diff(sight.first)[rows])
        row = sight.row[seen]
        visited = csr_array((np.ones(len(been)), (been // pois, been % pois)), shape=(m, pois))
        places = {"new_near": near, "new_alike": self.alike(visited, crowd), "new_people": crowd.people[None]}
        kinds = {}
        hourly = np.ones(len(row))
        if not self.hidden:
            hours = np.maximum(queries.utc[rows] - world.utc[last], 0) / 3600
            places["new_near_soon"] = near * np.exp(-hours / SOON).astype(np.float32)[:, None]
            hourly = hour_kernel(hours_apart(world.hour[row], queries.hour[rows][pair]), OWN_WIDTH)
            kinds["new_category"] = _part(first_visits(queries, rows, crowd))
            kind = pair * world.categories + self.category[world.poi[row]]
            own = np.bincount(kind, hourly, minlength=m * world.categories).astype(np.float64)
            kinds["new_own_category"] = _part(own.reshape(m, -1))
            hourly = hourly + OTHER_HOUR
        cells = by_cell(pair, self.areas.cell[world.poi[row]], hourly, (m, len(self.areas.centres)))
        cells.data /= np.bincount(pair, hourly, minlength=m)[rows_of(cells)]
        found = {name: Source(np.asarray(values, np.float32), self.every) for name, values in places.items()}
        found |= {name: Source(values.astype(np.float32), self.category) for name, values in kinds.items()}
        found["new_area"] = Source((cells @ self.around).toarray().astype(np.float32), self.areas.cell)
        nothing = Source(np.zeros((1, pois), np.float32), self.every)
        return {name: found.get(name, nothing) for name in SOURCES}

    def nearness(self, last: Ints) -> Dense:
        """[m, P] 1 / (50 m + distance from the last place)."""
        here, squared = self.places[last], np.zeros((len(last), len(self.places)), np.float32)
        for axis in range(3):
            squared += np.square(here[:, axis, None] - self.places[None, :, axis])
        return np.asarray(1 / (np.float32(NEAREST) + np.float32(EARTH_KM) * np.sqrt(squared)), np.float32)

    def alike(self, visited: csr_array[Any, Any], crowd: Snapshot) -> Dense:
        """[m, P] share of the most alike people who went there, each counted by the square of cosine similarity."""
        like = (visited @ crowd.visited.T).tocsr()
        like.sort_indices()
        own = np.sqrt(np.maximum(np.diff(visited.indptr), 1))
        like.data = (like.data / own[rows_of(like)] / crowd.norm[like.indices]) ** 2
        like = strongest(like, self.spec.people)
        total = np.bincount(rows_of(like), like.data, minlength=like.shape[0])
        like.data /= total[rows_of(like)]
        return np.asarray((like @ crowd.visited).toarray(), np.float32)


def first_visits(queries: Queries, rows: Ints, crowd: Snapshot) -> Floats:
    """[m, K] of each category around the hour asked for."""
    apart = hours_apart(np.arange(24, dtype=np.float64)[None] + 0.5, queries.hour[rows][:, None])
    around, weekend = hour_kernel(apart, HOUR_WIDTH), (queries.weekday[rows] >= 5)[:, None]
    kernel = np.concatenate([around * np.where(weekend, OTHER_KIND, 1), around * np.where(weekend, 1, OTHER_KIND)], 1)
    return np.asarray((np.rint(64 * kernel) / 64) @ crowd.category_hours.T)  # exact, whatever stands beside


def best(share: Dense, count: int) -> Ints:
    """Slots row * P + column of the `count` greatest of each row that are not 0.

    Which of equals depends on the row alone.
    """
    count = min(count, share.shape[1])
    if count == 0:
        return np.zeros(0, np.int64)
    column = np.argpartition(-share, count - 1, axis=1)[:, :count]
    slot = (np.arange(len(share))[:, None] * share.shape[1] + column).ravel()
    return np.asarray(slot[share.ravel()[slot] > 0], np.int64)


def within(keys: Ints, begin: int, end: int, pois: int) -> Ints:
    """Slots of the queries begin .. end - 1, counted from `begin`. keys: sorted."""
    low, high = np.searchsorted(keys, (begin * pois, end * pois))
    return keys[low:high] - begin * pois


def blocks(moment: Ints, most: int) -> list[tuple[int, int]]:
    """Runs of equal values, each of `most` queries at most."""
    begins = np.flatnonzero(np.diff(moment, prepend=-1))
    ends = [*begins[1:], len(moment)]
    return [(b, min(b + most, e)) for begin, e in zip(begins, ends, strict=True) for b in range(begin, e, most)]


def by_cell(query: Ints, cell: Ints, weight: Floats, shape: tuple[int, int]) -> csr_array[Any, Any]:
    """Sums of weight, [m, cells]."""
    keys, slot = np.unique(query * shape[1] + cell, return_inverse=True)
    values = np.bincount(slot, weight, minlength=len(keys)).astype(np.float64)  # of nothing it is int64
    return csr_array((values, (keys // shape[1], keys % shape[1])), shape=shape)


def rows_of(matrix: csr_array[Any, Any]) -> Ints:
    """[nnz] the row of each value."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def strongest(matrix: csr_array[Any, Any], count: int) -> csr_array[Any, Any]:
    """The `count` greatest values of each row, the lower column first among equals."""
    row = rows_of(matrix)
    order = np.lexsort((matrix.indices, -matrix.data, row))
    place = np.arange(len(order)) - matrix.indptr[row]
    kept = np.sort(order[place < count])
    return csr_array((matrix.data[kept], (row[kept], matrix.indices[kept])), shape=matrix.shape)


def _part(values: Floats) -> Floats:
    total = values.sum(1, keepdims=True)
    return np.divide(values, total, out=np.zeros_like(values, dtype=np.float64), where=total > 0)
