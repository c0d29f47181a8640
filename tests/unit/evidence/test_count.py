"""What a query may not see changes nothing, what it may see does; chunks and neighbours change nothing."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from new_places import discovery

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories
from refinepoi.evidence.count import count
from refinepoi.evidence.coverage import coverage, discoveries
from refinepoi.evidence.spec import EvidenceSpec

USERS, PLACES, ROWS = 4, 12, 120
ORDER = {"user_count": 1.0, "near_1km": 0.3, "crowd_next": 0.3}
SETTINGS = [("all", "known"), ("all", "hidden"), ("train_prefix", "known"), ("train_prefix", "hidden")]


def settings(**changes: Any) -> EvidenceSpec:
    return EvidenceSpec.model_validate(
        {
            "history": "all",
            "target_time": "known",
            "candidates": 8,
            "pool": {"next": 3, "popular": 3, "near": 3},
            "discovery": discovery(),
            "decay_days": (7.0, 30.0),
            "hour_widths": (1.0,),
            "habit": {
                "hour_width": 1.0,
                "recency_days": 20.0,
                "fresh_days": 9.0,
                "trail": 6.0,
                "near_km": 2.0,
                "same_kind": 0.5,
                "other_kind": 0.15,
            },
            "gap_width": 0.5,
            "near_km": (1.0, 5.0),
            "order": {"known": ORDER, "hidden": ORDER},
            "blackout_days": 5.0,
            "chunk": 100,
            "seed": 0,
        }
        | changes
    )


def table(seed: int) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    utc = np.sort(draw.integers(0, 30 * 144, ROWS)) * 600 + 1_333_000_000
    user = draw.integers(0, USERS, ROWS)
    order = np.lexsort((user, utc))
    utc, user = utc[order], user[order]
    return pl.DataFrame(
        {
            "user": user,
            "poi": draw.integers(0, PLACES, ROWS) // draw.integers(1, 4, ROWS),
            "utc": utc,
            "local": utc - 4 * 3600,
            "trajectory": user * 100 + (utc - utc[0]) // (2 * 86_400),
            "split": np.searchsorted([int(ROWS * 0.6), int(ROWS * 0.8)], np.arange(ROWS), "right"),
        }
    ).cast(dict(CHECKINS))


def world(checkins: pl.DataFrame, rows: np.ndarray) -> Trajectories:
    """`rows`: the targets."""
    queries = checkins[rows].select("split", "user", "trajectory", row=pl.Series(rows), target="poi")
    angle = np.arange(PLACES)
    pois = {"poi_id": [f"p{i}" for i in angle], "category_id": ["c"] * PLACES, "category": ["Bar"] * PLACES}
    places = {"latitude": 40 + np.cos(angle) / 9, "longitude": -74 + np.sin(angle) / 9, "in_train": [True] * PLACES}
    users = pl.DataFrame({"user_id": [str(u) for u in range(USERS + 1)]})  # one without visits
    return Trajectories(checkins, pl.DataFrame(pois | places).cast(dict(POIS)), users, queries.cast(dict(QUERIES)), {})


def targets(checkins: pl.DataFrame) -> np.ndarray:
    """The last row of each trajectory."""
    return checkins.with_row_index("row").group_by("trajectory", maintain_order=True).last()["row"].to_numpy()


def same(a: Evidence, b: Evidence, query: int) -> bool:
    return (
        np.array_equal(a.candidates[query], b.candidates[query])
        and np.array_equal(a.counters[query], b.counters[query])
        and np.array_equal(a.context[query], b.context[query], equal_nan=True)
    )


@pytest.mark.parametrize(("history", "target_time"), SETTINGS)
def test_rows_at_or_after_the_target_change_nothing(history: str, target_time: str) -> None:
    checkins, spec = table(1), settings(history=history, target_time=target_time)
    rows, draw = targets(checkins), np.random.default_rng(2)
    before = count(world(checkins, rows), spec)
    for query in range(0, len(rows), 5):
        now = checkins["utc"][int(rows[query])]
        columns = {name: checkins[name].to_numpy().copy() for name in checkins.columns}
        at, after = columns["utc"] >= now, columns["utc"] > now
        columns["poi"][at] = draw.integers(0, PLACES, at.sum())
        columns["user"][after] = draw.integers(0, USERS, after.sum())
        columns["trajectory"][after] = draw.integers(0, 500, after.sum())
        later = np.sort(columns["utc"][after] + draw.integers(0, 10**6))
        columns["local"][after] += later - columns["utc"][after]
        columns["utc"][after] = later
        assert same(before, count(world(pl.DataFrame(columns).cast(dict(CHECKINS)), rows), spec), query)


@pytest.mark.parametrize(("history", "target_time"), SETTINGS)
def test_the_last_visit_before_the_target_changes_it(history: str, target_time: str) -> None:
    checkins, spec = table(1), settings(history=history, target_time=target_time)
    rows = targets(checkins)
    before = count(world(checkins, rows), spec)
    checked = 0
    for query in np.flatnonzero(before.context[:, before.context_names.index("prefix_length")] > 0)[::4]:
        user, now = checkins["user"][int(rows[query])], checkins["utc"][int(rows[query])]
        past = np.flatnonzero((checkins["user"].to_numpy() == user) & (checkins["utc"].to_numpy() < now))
        poi = checkins["poi"].to_numpy().copy()
        poi[past[-1]] = (poi[past[-1]] + 1) % PLACES
        assert not same(before, count(world(checkins.with_columns(poi=pl.Series(poi)), rows), spec), query)
        checked += 1
    assert checked > 5


def test_hidden_uses_nothing_of_the_targets_time() -> None:
    checkins = table(3)
    rows = targets(checkins)
    user, utc = checkins["user"].to_numpy(), checkins["utc"].to_numpy()
    alone = [q for q, row in enumerate(rows) if ((user == user[row]) & (utc == utc[row])).sum() == 1]
    for history in ("all", "train_prefix"):
        spec = settings(history=history, target_time="hidden")
        before = count(world(checkins, rows), spec)
        visits = before.context[:, before.context_names.index("history_visits")]
        for query in [q for q in alone if visits[q] > 0][::4]:
            late = pl.when(pl.int_range(pl.len()) == int(rows[query])).then(300).otherwise(0)  # the clock's step is 600
            later = checkins.with_row_index("was").with_columns(pl.col("utc") + late, pl.col("local") + late)
            later = later.sort("utc", maintain_order=True)
            moved = np.argsort(later["was"].to_numpy())[rows]
            assert same(before, count(world(later.drop("was"), moved), spec), query)
        assert before.facts["always_zero"] == [n for n in before.names if not before.counter(n).any()]
        for name in ("hour", "weekday", "gap_hours"):
            assert np.isnan(before.context[:, before.context_names.index(name)]).all()


def test_every_counter_counts_something_where_the_time_is_known() -> None:
    evidence = count(world(table(3), targets(table(3))), settings())
    assert evidence.facts["always_zero"] == [n for n in evidence.names if not evidence.counter(n).any()] == []


def test_coverage_by_hand() -> None:
    trajectories = world(table(1), targets(table(1)))
    evidence = count(trajectories, settings(candidates=20))
    targeted = trajectories.queries["target"].to_numpy()
    test = trajectories.query_rows("test")
    hits = [targeted[q] in evidence.candidates[q, :10].tolist() for q in test]
    assert coverage(evidence, trajectories)["test_targets_in_first_10"] == sum(hits) / len(hits)


def test_discoveries_and_their_recall_by_hand() -> None:
    trajectories = world(table(1), targets(table(1)))
    rows = list(trajectories.checkins.iter_rows(named=True))
    evidence, new = count(trajectories, settings()), discoveries(trajectories)
    hits = []
    for query, target in enumerate(rows[row] for row in trajectories.queries["row"]):
        past = {r["poi"] for r in rows if r["user"] == target["user"] and r["utc"] < target["utc"]}
        assert new[query] == (bool(past) and target["poi"] not in past)
        if new[query] and target["split"] == 0:
            hits.append(target["poi"] in evidence.candidates[query])
    assert coverage(evidence, trajectories)["train_discoveries_in_first_100_new"] == sum(hits) / len(hits)
    assert 0 < sum(hits) < len(hits)


def test_train_prefix_hides_the_users_other_visits_after_training() -> None:
    checkins = table(1)
    rows = targets(checkins)
    test = np.flatnonzero(checkins["split"].to_numpy()[rows] == 2)
    trajectory = checkins["trajectory"].to_numpy()
    for query in test[::2]:
        outside = (checkins["split"].to_numpy() == 1) & (trajectory != trajectory[rows[query]])
        user = checkins["user"].to_numpy()
        moved = np.where(outside, USERS, user)  # gone with their places, times and the gaps after them
        changed = world(checkins.with_columns(user=pl.Series(moved, dtype=pl.Int32)), rows)
        plain = world(checkins, rows)
        prefix, all_ = settings(history="train_prefix"), settings()
        assert same(count(plain, prefix), count(changed, prefix), query)
        assert not same(count(plain, all_), count(changed, all_), query)


def test_blackout_ages_the_history_of_train_queries_only() -> None:
    checkins = table(1)
    rows = targets(checkins)
    whole = count(world(checkins, rows), settings(history="train_prefix", blackout_days=0.0))
    dark = count(world(checkins, rows), settings(history="train_prefix", blackout_days=20.0))
    visits = whole.context_names.index("history_visits")
    train = checkins["split"].to_numpy()[rows] == 0
    assert dark.context[train, visits].sum() < 0.7 * whole.context[train, visits].sum()
    assert all(same(whole, dark, query) for query in np.flatnonzero(~train))
    prefix = whole.context_names.index("prefix_length")
    np.testing.assert_array_equal(whole.context[:, prefix], dark.context[:, prefix])


def test_chunks_change_nothing() -> None:
    trajectories = world(table(1), targets(table(1)))
    one, many = count(trajectories, settings(chunk=1)), count(trajectories, settings(chunk=1000))
    assert all(same(one, many, query) for query in range(len(one.candidates)))


def test_every_visited_place_comes_before_the_rest_where_the_order_says_so() -> None:
    trajectories, order = world(table(1), targets(table(1))), {"known": {"user_count": 1.0}, "hidden": {}}
    evidence = count(trajectories, settings(candidates=5, order=order, discovery=discovery(part=0.0)))
    for candidates, visits in zip(evidence.candidates, evidence.counter("user_count"), strict=True):
        held = candidates[candidates >= 0]
        assert len(set(held.tolist())) == len(held)
        assert (np.diff(visits) <= 0).all()
    visited = np.minimum(evidence.context[:, evidence.context_names.index("history_pois")], 5)
    np.testing.assert_array_equal((evidence.counter("user_count") > 0).sum(1), visited)


def test_no_query_at_all() -> None:
    evidence = count(world(table(1), np.zeros(0, np.int64)), settings())
    assert evidence.candidates.shape == (0, 8)


def test_new_places_have_room_beside_visited_ones() -> None:
    trajectories, order = world(table(1), targets(table(1))), {"known": {"user_count": 1.0}, "hidden": {}}
    evidence = count(trajectories, settings(candidates=5, order=order))
    visited = evidence.context[:, evidence.context_names.index("history_pois")]
    new = (evidence.counter("new_likely") > 0).sum(1)
    assert (new >= np.minimum(2, PLACES - visited)).all()
    assert (visited > 2).any()
    one = count(trajectories, settings(candidates=5, order=order, discovery=discovery(refresh_days=900.0)))
    assert not np.array_equal(one.candidates, evidence.candidates)
