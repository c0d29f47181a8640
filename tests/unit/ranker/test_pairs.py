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


HOURS = (-131, -0.5, 8, 9, 10.5)


def by_hand(
    target_time: str = "known",
    history: str = "all",
    hours: tuple[float, ...] = HOURS,
    poi: tuple[int, ...] = (2, 0, 1, 0, 2),
    split: tuple[int, ...] = (0, 0, 1, 2, 2),
    categories: str = "aba",
    visits_read: int = 10,
) -> Any:
    """Tuesday 13:00 at 2; Sunday 23:30 at 0, Monday 8:00 at 1, 9:00 at 0 (another trip); asked: Monday 10:30.

    hours: after Monday's midnight. split: one trip each, only the last two visits are one. visits_read: at most.
    """
    n, utc = len(poi), [int(MONDAY + hour * HOUR) for hour in hours]
    table = {"user": [0] * n, "poi": poi, "utc": utc, "local": utc, "trajectory": [*range(n - 1), n - 2]}
    checkins = pl.DataFrame(table | {"split": split}).cast(dict(CHECKINS))
    asked = {"split": [2], "user": [0], "trajectory": [n - 2], "row": [n - 1], "target": [poi[-1]]}
    queries = pl.DataFrame(asked).cast(dict(QUERIES))
    text = {name: ["unknown" if c == "?" else c for c in categories] for name in ("poi_id", "category_id", "category")}
    where = {"latitude": [0.0, 0.0, 0.0], "longitude": [0.0, 1.0, 2.0], "in_train": [True] * 3}
    users = pl.DataFrame({"user_id": ["u"], "activity": [0]}).cast({"activity": pl.Int8})
    visits = Trajectories(checkins, pl.DataFrame(text | where).cast(dict(POIS)), users, queries, {})
    context = np.array([[n - 1.0 if history == "all" else n - 2.0, 1.0]], np.float32)
    facts = {"history": history, "target_time": target_time}
    nothing = np.zeros((1, 1, 0), np.float32)
    read = History.of(
        visits, Evidence(np.zeros((1, 1), np.int32), nothing, (), context, ("history_visits", "prefix_length"), facts)
    )
    found = pair(read, np.array([0]), visits_read)
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
    clock, phase = 10.5 / 12 * np.pi, days / 7 * 2 * np.pi
    waves = {
        **{f"clock_{n}": np.cos(n * np.array([2.5, 11, 2.5, 1.5]) * np.pi / 12) for n in (2, 3)},
        "days_30": np.exp(-days / 30), "log_age": np.log1p(days), "log_seen": np.log(5), "week_2": np.cos(2 * phase),
        "time_of_day": np.cos(7 * phase), "clock_before": np.array([6, 4, 9.5, 1]) / 6,
        "ask_sin": np.sin(clock), "ask_cos": np.cos(clock), "ask_gap": np.log(2.5),
        "gap": [0, *np.exp(-0.5 * (gap / 0.4) ** 2)],
    }  # fmt: skip
    for name, wave in waves.items():
        np.testing.assert_allclose(facts[name], np.broadcast_to(wave, 4), atol=2e-6, rtol=1e-4, err_msg=name)
    asks = {
        **{f"ask_sin_{n}": np.sin(n * clock) for n in (1, 2)}, **{f"ask_cos_{n}": np.cos(n * clock) for n in (1, 2)},
        "ask_gap": np.log(2.5), "ask_weekend": 0, "log_seen": np.log(4), "here": [1, 0, 0],
        "log_km": np.log1p(np.array([0, 1, 2]) * 111.195),
    }  # fmt: skip
    for name, value in asks.items():
        np.testing.assert_allclose(places[name], np.broadcast_to(value, 3), atol=1e-4, err_msg=name)
    np.testing.assert_allclose(facts["log_km"], np.log1p(np.array([2, 0, 1, 0]) * 111.195), rtol=1e-4)
    np.testing.assert_allclose(places["log_visits"], np.log([2, 1, 1]), rtol=1e-6)
    assert found.kinds.tolist() == [[1, 1], [2, 1], [1, 1]]
    assert [found.group_of(np.array([poi])).tolist() for poi in (0, 1, 2, 7)] == [[0], [1], [2], [-1]]


def test_the_day_asked_about_is_that_of_the_target() -> None:
    """Sunday, Friday, Friday 22:00, 23:00; asked: Saturday 0:30."""
    facts, places, _ = by_hand(hours=tuple(hour + 4 * 24 + 14 for hour in HOURS))
    assert facts["same_kind"].tolist() == [1, 0, 0, 0] and facts["day_before"].tolist() == [0, 1, 1, 1]
    assert (facts["ask_weekend"] == 1).all() and (places["ask_weekend"] == 1).all()


def test_of_many_visits_the_newest_are_read() -> None:
    facts, places, found = by_hand(visits_read=2)
    assert found.poi[found.group].tolist() == [1, 0]
    np.testing.assert_allclose(facts["log_seen"], np.log([3, 3]), rtol=1e-6)
    np.testing.assert_allclose(places["log_seen"], np.log([2, 2]), rtol=1e-6)
    assert facts["follows"].tolist() == [1, 0], "what came before is known although it is not read"


def test_what_followed_the_last_two_visits() -> None:
    facts, _, _ = by_hand(poi=(2, 0, 2, 0, 1))
    assert facts["follows_two"].tolist() == [0, 0, 1, 0]
    assert not by_hand(poi=(1, 2, 1, 0, 0))[0]["follows"].any(), "nothing precedes the first, least of all the target"
    facts, _, _ = by_hand(poi=(0, 1, 2, 0, 2))
    assert facts["follows"].tolist() == [0, 1, 0, 0] and not facts["follows_two"].any()
    hidden = {"poi": (1, 0, 1, 1, 0, 2), "split": (0, 0, 0, 1, 2, 2), "hours": (-131, -5, -0.5, 8, 9, 10.5)}
    facts, _, _ = by_hand(history="train_prefix", **hidden)
    assert facts["follows"].tolist() == [0, 0, 1, 0] and not facts["follows_two"].any(), "the visit before is hidden"
    assert by_hand(**hidden)[0]["follows_two"].tolist() == [0, 0, 1, 0, 0]


def test_gaps_differ_no_more_than_those_that_are_not_known() -> None:
    facts, _, _ = by_hand(hours=(-1131, *HOURS[1:]))
    assert facts["gap_apart"][:2].tolist() == [4, 4] and facts["gap"][:2].tolist() == [0, 0]


def test_nothing_is_linked_across_what_is_hidden_nor_to_the_current_trip() -> None:
    facts, _, found = by_hand(history="train_prefix", split=(0, 1, 0, 2, 2))
    assert found.poi[found.group].tolist() == [2, 1, 0] and (facts["gap_apart"] == 4).all()


def test_unknown_categories_are_like_no_other() -> None:
    facts, _, found = by_hand(categories="?b?")
    assert not facts["here_category"].any() and not facts["follows_category"].any()
    assert found.kinds[:, 1].tolist() == [0, 0, 0] and found.kinds[1, 0] > 0


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
