"""Pairs of query and visit: what they say by hand, and that nothing hidden or later moves a bit of them."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.history import History
from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories
from refinepoi.audit.prompts import alter_from_targets, alter_times
from refinepoi.dataset.stage import trajectories_of
from refinepoi.evidence.count import count
from refinepoi.launching.composition import check
from refinepoi.ranker.pairs import PAIR, PLACE, Pairs, pair

SETTINGS = [(h, t) for h in ("all", "train_prefix") for t in ("known", "hidden")]
BOTH = pytest.mark.parametrize(("history", "target_time"), SETTINGS)
HOUR, DAY, MONDAY = 3_600, 86_400, 1_333_324_800


@pytest.fixture(scope="module")
def visits() -> Trajectories:
    small = ["dataset.city.users=10", "dataset.city.pois=40", "dataset.city.days=40", "tracking=off"]
    return trajectories_of(check(small, multirun=False).jobs[0].experiment.dataset)


def counted(visits: Trajectories, history: str, target_time: str) -> Evidence:
    words = [f"evidence.history={history}", f"evidence.target_time={target_time}", "evidence.candidates=24"]
    return count(visits, check(words, multirun=False).jobs[0].experiment.evidence)


def seen(visits: Trajectories, history: str, target_time: str) -> History:
    return History.of(visits, counted(visits, history, target_time))


def parts(pairs: Pairs) -> dict[str, np.ndarray]:
    return {name: getattr(pairs, name) for name in ("pairs", "group", "query", "poi", "places", "kinds")}


@BOTH
def test_later_visits_and_hidden_times_change_no_bit(visits: Trajectories, history: str, target_time: str) -> None:
    for split in ("train", "test"):  # one query of each user, the last of training or the first held out
        rows = visits.query_rows(split)[:: -1 if split == "train" else 1]
        asked = np.sort(rows[np.unique(visits.queries["user"].to_numpy()[rows], return_index=True)[1]])
        sample = replace(visits, queries=visits.queries[asked])
        altered = alter_from_targets(sample, sample.queries["row"].to_numpy())
        if target_time == "hidden":
            altered = alter_times(altered, np.ones(len(asked), np.bool_))
        everyone = np.arange(len(asked))
        before, after = (pair(seen(data, history, target_time), everyone, 50) for data in (sample, altered))
        assert len(np.unique(before.query)) > 2
        for name, value in parts(before).items():
            np.testing.assert_array_equal(parts(after)[name], value, err_msg=name)


@BOTH
def test_pairs_are_the_newest_visible_visits_whatever_is_asked_beside(
    visits: Trajectories, history: str, target_time: str
) -> None:
    chosen = np.sort(np.random.default_rng(1).permutation(visits.queries.height)[:60])
    visits, queries = replace(visits, queries=visits.queries[chosen]), np.random.default_rng(2).permutation(60)
    read = seen(visits, history, target_time)
    together = pair(read, queries, 30)
    first = 0
    for number, query in enumerate(queries.tolist()):
        alone, mine = pair(read, np.array([query]), 30), together.query == number
        expected = read.poi[read.visible(query)[-30:]]
        np.testing.assert_array_equal(alone.poi[alone.group], expected)
        n = len(expected)
        np.testing.assert_array_equal(alone.pairs, together.pairs[first : first + n])
        np.testing.assert_array_equal(alone.places, together.places[mine])
        np.testing.assert_array_equal(alone.kinds, together.kinds[mine])
        np.testing.assert_array_equal(alone.poi, together.poi[mine])
        first += n
    assert first == len(together.pairs)


def by_hand(target_time: str = "known", history: str = "all") -> Any:
    """Tuesday 13:00 at 2; Sunday 23:30 at 0, Monday 8:00 at 1, 9:00 at 0 (another trip); asked: Monday 10:30."""
    utc = [
        MONDAY - 6 * DAY + 13 * HOUR,
        MONDAY - HOUR // 2,
        MONDAY + 8 * HOUR,
        MONDAY + 9 * HOUR,
        MONDAY + 21 * HOUR // 2,
    ]
    table = {"user": [0] * 5, "poi": [2, 0, 1, 0, 2], "utc": utc, "local": utc, "trajectory": [0, 1, 2, 3, 3]}
    checkins = pl.DataFrame(table | {"split": [0, 0, 1, 2, 2]}).cast(dict(CHECKINS))
    queries = pl.DataFrame({"split": [2], "user": [0], "trajectory": [3], "row": [4], "target": [2]}).cast(
        dict(QUERIES)
    )
    text = {name: ["a", "b", "a"] for name in ("poi_id", "category_id", "category")}
    where = {"latitude": [0.0, 0.0, 0.0], "longitude": [0.0, 1.0, 2.0], "in_train": [True] * 3}
    users = pl.DataFrame({"user_id": ["u"], "activity": [0]}).cast({"activity": pl.Int8})
    visits = Trajectories(checkins, pl.DataFrame(text | where).cast(dict(POIS)), users, queries, {})
    context = np.array([[4.0 if history == "all" else 3.0, 1.0]], np.float32)
    facts = {"history": history, "target_time": target_time}
    nothing = np.zeros((1, 1, 0), np.float32)
    read = History.of(
        visits, Evidence(np.zeros((1, 1), np.int32), nothing, (), context, ("history_visits", "prefix_length"), facts)
    )
    found = pair(read, np.array([0]), 10)
    return (
        {n: found.pairs[:, i] for i, n in enumerate(PAIR)},
        {n: found.places[:, i] for i, n in enumerate(PLACE)},
        found,
    )


def test_facts_by_hand() -> None:
    facts, places, found = by_hand()
    np.testing.assert_array_equal(found.poi[found.group], [2, 0, 1, 0])
    np.testing.assert_allclose(facts["hours_1.5"], np.exp(-0.5 * (np.array([2.5, 11, 2.5, 1.5]) / 1.5) ** 2), rtol=1e-5)
    np.testing.assert_allclose(facts["clock_1"], np.cos(np.array([2.5, 11, 2.5, 1.5]) * np.pi / 12), atol=1e-6)
    days = np.array([5 + 21.5 / 24, 11 / 24, 2.5 / 24, 1.5 / 24])
    np.testing.assert_allclose(facts["days_7"], np.exp(-days / 7), rtol=1e-5)
    np.testing.assert_allclose(facts["week_1"], np.cos(days / 7 * 2 * np.pi), atol=1e-5)
    np.testing.assert_allclose(facts["log_behind"], np.log1p([3, 2, 1, 0]), rtol=1e-6)
    expected = {
        "same_weekday": [0, 0, 1, 1], "same_kind": [1, 0, 1, 1], "day_after": [1, 0, 0, 0], "day_before": [0, 1, 0, 0],
        "same_day": [0, 0, 1, 1], "same_trip": [0, 0, 0, 1], "follows": [0, 0, 1, 0], "follows_two": [0, 0, 0, 0],
        "follows_category": [0, 1, 1, 0], "here": [0, 1, 0, 1], "here_category": [1, 1, 0, 1], "ask_weekend": [0] * 4,
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_array_equal(facts[name], value, err_msg=name)
    gap = np.abs(np.log1p([5 * 24 + 10.5, 8.5, 1.0]) - np.log1p(1.5))
    np.testing.assert_allclose(facts["gap_apart"], [4.0, *np.minimum(gap, 4)], rtol=1e-5)
    np.testing.assert_allclose(facts["follows_gap"], [0, 0, np.exp(-0.5 * (gap[1] / 0.4) ** 2), 0], rtol=1e-4)
    np.testing.assert_allclose(facts["log_km"], np.log1p(np.array([2, 0, 1, 0]) * 111.195), rtol=1e-4)
    np.testing.assert_allclose(places["log_visits"], np.log([2, 1, 1]), rtol=1e-6)
    assert found.kinds.tolist() == [[1, 1], [2, 1], [1, 1]] and found.group_of(np.array([2])).tolist() == [2]
    assert found.group_of(np.array([7])).tolist() == [-1]


def test_hidden_times_count_from_the_last_visit_and_links_end_at_what_is_hidden() -> None:
    facts, places, _ = by_hand("hidden")
    np.testing.assert_allclose(facts["log_age"][-1], 0)
    np.testing.assert_allclose(facts["hours_3"][2], np.exp(-0.5 / 9), rtol=1e-5)
    assert (facts["gap"] == 0).all() and (facts["ask_gap"] == 0).all() and (places["ask_gap"] == 0).all()
    facts, _, found = by_hand(history="train_prefix")
    np.testing.assert_array_equal(found.poi[found.group], [2, 0, 0])  # not the validation visit
    np.testing.assert_array_equal(facts["gap_apart"] < 4, [False, True, False])


def test_nobody_without_visits_has_pairs(visits: Trajectories) -> None:
    newcomers = [visits.checkins.with_row_index("n").filter(pl.col("user") == 0)["n"][0], visits.checkins.height - 1]
    queries = visits.checkins[newcomers].select("split", "user", "trajectory", target="poi")
    rows = pl.Series("row", newcomers, pl.Int32)
    read = seen(replace(visits, queries=queries.with_columns(rows).select(list(QUERIES))), "all", "known")
    for asked in ([0], [0, 1], [1, 0]):
        found = pair(read, np.array(asked), 30)
        assert (found.query == np.argmax(asked)).all() and (len(found.query) > 0) == (1 in asked)
        assert found.group_of(np.zeros(len(asked), np.int64))[asked.index(0)] == -1
