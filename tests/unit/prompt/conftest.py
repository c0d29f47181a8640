"""A small world: 5 users, 24 POIs, three weeks of trips, evidence counted the slow and plain way."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories

USERS, PLACES, DAYS, START = 5, 24, 21, 1_333_324_800  # Monday, 2012-04-02, midnight UTC
CONTEXT = ("history_visits", "prefix_length")
NAMES = ("user_count", "popularity")


@dataclass(frozen=True)
class World:
    trajectories: Trajectories
    evidence: Evidence
    semantic_ids: SemanticIds


@pytest.fixture(scope="session")
def make_world() -> Callable[..., World]:
    def make(
        history: str = "all", target_time: str = "known", blackout: float = 0.0, by_time: bool = True, seed: int = 0
    ) -> World:
        trajectories = make_trajectories(seed, by_time)
        evidence = count_plainly(trajectories, history, target_time, blackout)
        codes = np.stack([np.arange(PLACES) % 16, np.arange(PLACES) // 16 + 4 * (np.arange(PLACES) % 3)], 1)
        return World(trajectories, evidence, SemanticIds(codes.astype(np.int32), ((4, 4), (4, 4)), "none"))

    return make


@pytest.fixture(scope="session")
def world(make_world: Callable[..., World]) -> World:
    return make_world()


def make_trajectories(seed: int, by_time: bool = True) -> Trajectories:
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(USERS):
        favourites = rng.choice(PLACES, 6, replace=False)
        for day in range(user % 2, DAYS, 2):
            for hour in sorted(rng.choice(np.arange(7, 23), rng.integers(2, 5), replace=False)):
                utc = START + day * 86400 + int(hour) * 3600 + int(rng.integers(0, 3)) * 1200
                when = day if by_time else day * 8 % DAYS  # otherwise every split has early and late trips
                split = 0 if when < 14 else 1 if when < 17 else 2
                rows.append((utc, user, int(rng.choice(favourites)), user * 100 + day, split))
    rows.sort()
    table = pl.DataFrame(
        {
            "user": [r[1] for r in rows],
            "poi": [r[2] for r in rows],
            "utc": [r[0] for r in rows],
            "local": [r[0] - 4 * 3600 for r in rows],
            "trajectory": [r[3] for r in rows],
            "split": [r[4] for r in rows],
        },
        schema=CHECKINS,
    )
    last = table.with_row_index("row").group_by("trajectory").agg(pl.col("row").max()).sort("row")["row"]
    queries = table.with_row_index("row").filter(pl.col("row").is_in(last.to_list()))
    queries = queries.with_columns(pl.col("row").cast(pl.Int32), pl.col("poi").alias("target")).select(*QUERIES)
    pois = pl.DataFrame(
        {
            "poi_id": [f"p{n}" for n in range(PLACES)],
            "category_id": [f"c{n % 5}" for n in range(PLACES)],
            "category": [("Bar", "Coffee Shop", "<A_0,0><B_0,0>", "Café", "a\nb")[n % 5] for n in range(PLACES)],
            "latitude": np.linspace(40.6, 40.8, PLACES),
            "longitude": np.linspace(-74.0, -73.9, PLACES),
            "in_train": [True] * PLACES,
        },
        schema=POIS,
    )
    users = pl.DataFrame({"user_id": [f"u{n}" for n in range(USERS)]})
    return Trajectories(table, pois, users, queries.sort("split", "row"), {"protocol": {"dataset": "mini"}})


def seen(t: Trajectories, query: int, history: str, blackout: float) -> list[int]:
    """Rows a query may see, by the words of the protocol."""
    row, user, trip, split = t.queries.select("row", "user", "trajectory", "split").row(query)
    now = t.checkins["utc"][row]
    begin = min(u for u, x, y in t.checkins.select("utc", "trajectory", "user").iter_rows() if x == trip and y == user)
    until = begin - blackout if split == 0 and begin < now else now
    rows = []
    for n, (u, _, utc, _, own_trip, own_split) in enumerate(t.checkins.iter_rows()):
        if u != user or utc >= now:
            continue
        if history == "all" or own_trip == trip or (own_split == 0 and utc < until):
            rows.append(n)
    return rows


def count_plainly(t: Trajectories, history: str, target_time: str, blackout: float) -> Evidence:
    queries = t.queries.height
    candidates = np.full((queries, 12), -1, np.int32)
    counters = np.zeros((queries, 12, 2), np.float32)
    context = np.zeros((queries, 2), np.float32)
    poi, trip = t.checkins["poi"].to_numpy(), t.checkins["trajectory"].to_numpy()
    utc, train = t.checkins["utc"].to_numpy(), t.checkins["split"].to_numpy() == 0
    for query in range(queries):
        rows = seen(t, query, history, blackout)
        counts = np.bincount(poi[rows], minlength=PLACES)
        before = train & (utc < utc[t.queries["row"][query]])
        popular = np.bincount(poi[before], minlength=PLACES)
        order = np.lexsort((np.arange(PLACES), -popular, -counts))[:12]
        order = order[(counts[order] > 0) | (popular[order] > 0)]
        candidates[query, : len(order)] = order
        counters[query, : len(order), 0], counters[query, : len(order), 1] = counts[order], popular[order]
        context[query] = len(rows), (trip[rows] == t.queries["trajectory"][query]).sum()
    facts = {"history": history, "target_time": target_time}
    return Evidence(candidates, counters, NAMES, context, CONTEXT, facts)
