"""Count: queries in chunks by ascending cutoff; pool, counters, cheap order, the first C candidates of each."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.core.seeding import generator
from refinepoi.evidence.crowd import Crowd, neighbours
from refinepoi.evidence.discovery import Discovery
from refinepoi.evidence.names import CONTEXT, counter_names, needs_time
from refinepoi.evidence.own import count_categories, count_own
from refinepoi.evidence.pool import gather, keep, place_in_group
from refinepoi.evidence.sight import NONE, Sight, blackout, look
from refinepoi.evidence.spec import EvidenceSpec
from refinepoi.evidence.visits import factors
from refinepoi.evidence.world import Floats, Ints, Queries, World, kilometres, make_queries, make_world

ORDER_SCALE = 10.0  # kernel sums are small numbers
NEW, NEW_WEIGHT = 0.3, 1.0
"""What `new_share` is drawn towards, and with the weight of how many visits. No settings: those are stored among
the facts of the evidence and part of its key, so the evidence behind figures made with these would become another."""


class Counting:
    """What all queries share: the settings, everybody's training visits, geography. It counts for anybody's visits."""

    def __init__(self, world: World, spec: EvidenceSpec) -> None:
        """world: that of the training check-ins."""
        self.spec, self.hidden = spec, spec.target_time == "hidden"
        self.names = counter_names(spec.decay_days, spec.hour_widths, spec.near_km)
        self.crowd, self.near = Crowd(world), neighbours(world, spec.pool.near)
        self.discovery = Discovery(world, spec.discovery, int(spec.discovery.part * spec.candidates), self.hidden)
        self.facts = _facts(spec, world, self.names)

    def look(self, world: World, queries: Queries, begins: Ints) -> Sight:
        return look(world, queries, self.spec.history, self.hidden, begins)

    def count(self, world: World, queries: Queries, sight: Sight) -> Evidence:
        """The evidence of m queries. world: whose rows the sight holds; it has the POIs of the training's."""
        spec, m = self.spec, len(queries)
        alike = factors(world, queries, sight, spec)
        own, kinds = count_own(world, queries, sight, spec, alike), count_categories(world, sight, alike)
        moves = self.crowd.moves(world, queries, sight, self.hidden, spec.gap_width)
        popularity, at_hour = self.crowd.popularity(queries, sight, self.hidden)
        keys = gather(world, sight, own, moves, popularity if self.hidden else at_hour, self.near, spec.pool)
        new = self.discovery.find(world, queries, sight, own, keys)
        keys = new.table.keys
        query, poi = keys // world.pois, keys % world.pois
        everybody = np.stack([popularity[query, poi], at_hour[query, poi]], 1)
        category = kinds.at(query * world.categories + world.category[poi])
        nearness = _nearness(world, sight, query, poi, spec.near_km)
        columns = [own.at(keys), category, everybody, moves.at(keys), nearness, new.table.values]
        values = np.concatenate(columns, 1)
        score = np.zeros(len(keys))
        for name, weight in spec.weights.items():  # one by one: a matrix product may round by its neighbours
            score += weight * np.log1p(ORDER_SCALE * values[:, self.names.index(name)])
        order = np.lexsort((poi, -score, query))
        order = order[keep(query[order], new.listed[order], spec.candidates)]
        place = place_in_group(query[order])
        candidates = np.full((m, spec.candidates), -1, np.int32)
        counters = np.zeros((m, spec.candidates, len(self.names)), np.float32)
        candidates[query[order], place] = poi[order]
        counters[query[order], place] = values[order]
        context = _context(world, queries, sight, own.keys // world.pois, alike)
        return Evidence(candidates, counters, self.names, context, CONTEXT, self.facts)


def count(
    trajectories: Trajectories, spec: EvidenceSpec, progress: Callable[[list[Ints]], Iterable[Ints]] = iter
) -> Evidence:
    """The evidence of every query of `trajectories`; `progress` wraps the list of chunks."""
    world, queries = make_world(trajectories), make_queries(trajectories)
    if spec.history == "train_prefix":
        days = generator(spec.seed, "blackout").uniform(0.0, spec.blackout_days, len(queries))
        queries = blackout(world, queries, days)
    counting, begins = Counting(world, spec), split_begins(trajectories)
    candidates = np.full((len(queries), spec.candidates), -1, np.int32)
    counters = np.zeros((len(queries), spec.candidates, len(counting.names)), np.float32)
    context = np.zeros((len(queries), len(CONTEXT)), np.float32)
    cutoff = np.concatenate(
        [
            counting.look(world, queries.take(rows), begins).cutoff
            for rows in _chunks(np.arange(len(queries)), spec.chunk)
        ]
        or [np.zeros(0, np.int64)]
    )
    for rows in progress(_chunks(np.argsort(cutoff, kind="stable"), spec.chunk)):
        part = queries.take(rows)
        found = counting.count(world, part, counting.look(world, part, begins))
        candidates[rows], counters[rows], context[rows] = found.candidates, found.counters, found.context
    return Evidence(candidates, counters, counting.names, context, CONTEXT, counting.facts)


def split_begins(trajectories: Trajectories) -> Ints:
    """[3] utc of the first check-in of each split; past every time where a split is empty."""
    split, utc = trajectories.checkins["split"].to_numpy(), trajectories.checkins["utc"].to_numpy()
    last = int(utc.max()) + 1 if len(utc) else 0
    return np.array([utc[split == s].min() if (split == s).any() else last for s in range(len(SPLITS))], np.int64)


def _chunks(rows: Ints, size: int) -> list[Ints]:
    return [rows[begin : begin + size] for begin in range(0, len(rows), size)]


def _nearness(world: World, sight: Sight, query: Ints, poi: Ints, near_km: tuple[float, ...]) -> Floats:
    """[n, len(near_km)] exp(-distance / km) from the last POI, 0 without one."""
    last = sight.last[query]
    distance = np.where(last == NONE, np.inf, kilometres(world, world.poi[last], poi))
    return np.stack([np.exp(-distance / km) for km in near_km], 1) if near_km else np.zeros((len(poi), 0))


def _context(
    world: World, queries: Queries, sight: Sight, visited: Ints, alike: dict[str, Floats]
) -> npt.NDArray[np.float32]:
    """[m, len(CONTEXT)]. visited: the query of each distinct POI seen. alike: factors of the visits."""
    m, hidden, known = len(queries), "hour" not in alike, sight.last != NONE
    nothing = np.full(m, np.nan)
    outside = world.trajectory[sight.row] != queries.trajectory[sight.query]
    newest = np.full(m, NONE)
    newest[sight.query[outside]] = sight.row[outside]
    facts: dict[str, Any] = {
        "hour": nothing if hidden else queries.hour,
        "weekday": nothing if hidden else queries.weekday,
        "gap_hours": nothing if hidden else np.where(known, (queries.utc - world.utc[sight.last]) / 3_600.0, np.nan),
        "history_visits": np.diff(sight.first),
        "history_pois": np.bincount(visited, minlength=m),
        "prefix_length": sight.prefix,
        "last_hour": np.where(known, world.hour[sight.last], np.nan),
        "last_weekday": np.where(known, world.weekday[sight.last], np.nan),
        "new_share": _new_share(world, sight, alike["trail"]),
        "new_share_hour": nothing if hidden else _new_share(world, sight, alike["trail"] * alike["hour"]),
        "history_days": np.where(newest == NONE, np.nan, (sight.reference - world.utc[newest]) / 86_400.0),
    }
    return np.stack([facts[name] for name in CONTEXT], 1).astype(np.float32)


def _new_share(world: World, sight: Sight, weights: Floats) -> Floats:
    """[m] how much of the weight lies on visits that were the first visible ones to their POI, drawn towards `NEW`."""
    m = len(sight.last)
    _, first = np.unique(sight.query * world.pois + world.poi[sight.row], return_index=True)
    new = np.bincount(sight.query[first], weights[first], minlength=m)
    share = (new + NEW * NEW_WEIGHT) / (np.bincount(sight.query, weights, minlength=m) + NEW_WEIGHT)
    return np.where(sight.last == NONE, np.nan, share)


def _facts(spec: EvidenceSpec, world: World, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "history": spec.history,
        "target_time": spec.target_time,
        "candidates": spec.candidates,
        "always_zero": [name for name in names if spec.target_time == "hidden" and needs_time(name)],
        "pois": world.pois,
        "settings": spec.model_dump(mode="json"),
    }
