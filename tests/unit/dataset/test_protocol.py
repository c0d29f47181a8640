from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from refinepoi.core.errors import DataError
from refinepoi.dataset.protocol import (
    cut_trajectories,
    drop_isolated,
    keep_frequent,
    split_by_time,
    split_by_user,
)
from refinepoi.dataset.stage import trajectories_of

H = 3600


def table(*rows: tuple[str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user", "poi", "utc"], orient="row").sort("utc", "user")


def test_pois_come_first_then_users_and_passes_repeat() -> None:
    # p has 3 visits, q 2; b needs q to reach 3; once b is gone p has 2
    rows = table(
        ("a", "p", 1), ("a", "p", 2), ("b", "p", 3), ("b", "q", 4), ("b", "q", 5), ("a", "r", 6), ("a", "p", 7)
    )
    once = keep_frequent(rows, 3, 3, 1)
    assert once["utc"].to_list() == [1, 2, 7]
    two = keep_frequent(table(*once.rows(), ("b", "p", 8), ("b", "q", 9), ("c", "q", 10), ("c", "q", 11)), 3, 3, 1)
    assert two["utc"].to_list() == [1, 2, 7]
    stable = keep_frequent(rows, 2, 2, 0)
    assert stable["utc"].to_list() == [1, 2, 3, 4, 5, 7]


def test_passes_go_on_until_nothing_changes() -> None:
    rows = table(("a", "p", 1), ("a", "p", 2), ("b", "p", 3), ("a", "q", 4), ("a", "q", 5))
    assert keep_frequent(rows, 3, 2, 1)["utc"].to_list() == [1, 2]
    assert keep_frequent(rows, 3, 2, 0).height == 0


def test_split_by_shares_and_never_within_a_second() -> None:
    rows = table(*[("a", "p", t) for t in range(10)])
    assert split_by_time(rows, 0.8, 0.1)["split"].to_list() == [0] * 8 + [1, 2]
    tied = table(*[("a", "p", t) for t in (0, 1, 2, 3, 7, 7, 7, 7, 8, 9)])
    assert split_by_time(tied, 0.6, 0.2)["split"].to_list() == [0] * 4 + [1] * 4 + [2, 2]
    assert split_by_time(rows, 0.8, 0.1)["split"].dtype == pl.Int8


def test_the_last_visit_of_each_user_is_left_out() -> None:
    rows = table(*[("a", "p", t) for t in (1, 2, 3, 4)], *[("b", "p", t) for t in (5, 6)])
    assert split_by_user(rows, "last_visit")["split"].to_list() == [0, 0, 1, 2, 0, 0]


def test_the_last_trajectory_of_each_user_is_left_out() -> None:
    rows = table(*[("a", "p", t) for t in (1, 2, 30, 31, 60, 61)], ("b", "p", 3), ("b", "p", 40))
    rows = rows.with_columns(trajectory=pl.Series([0, 0, 9, 1, 1, 8, 2, 2]))
    found = split_by_user(rows, "last_trajectory").sort("user", "utc")
    assert found["split"].to_list() == [0, 0, 1, 1, 2, 2, 0, 0]
    assert found["split"].dtype == pl.Int8


def test_a_split_by_user_gives_everybody_a_test_sample(small_csv: Callable[..., Any], visits: list[str]) -> None:
    for unit, samples in (("last_trajectory", "sthgcn"), ("last_trajectory", "llm4poi"), ("last_visit", "gnpr")):
        made = trajectories_of(small_csv(visits, {"protocol.split": unit, "protocol.samples": samples}))
        asked = made.queries.filter(pl.col("split") > 0)
        assert asked.group_by("split").agg(pl.col("user").n_unique())["user"].to_list() == [3, 3]
        assert asked.height == 6
        times = made.checkins["utc"].gather(made.queries.filter(pl.col("split") == 2)["row"])
        assert set(times) == set(made.checkins.group_by("user").agg(pl.col("utc").max())["utc"])


def test_isolated_from_both_neighbours_of_the_same_user() -> None:
    rows = table(("a", "p", 0), ("a", "p", 24 * H), ("a", "p", 49 * H), ("b", "p", 49 * H), ("a", "p", 99 * H))
    assert drop_isolated(rows, 24.0)["utc"].to_list() == [0, 24 * H]
    assert drop_isolated(rows, 25.0)["utc"].to_list() == [0, 24 * H, 49 * H]
    assert drop_isolated(rows, 0.0).height == 5


def test_a_longer_pause_starts_a_trajectory() -> None:
    rows = table(("a", "p", 0), ("b", "p", 1), ("a", "p", 24 * H), ("a", "p", 48 * H + 1), ("a", "p", 49 * H))
    found = cut_trajectories(rows, 24.0, 1)
    assert found.sort("user", "utc")["trajectory"].to_list() == [0, 0, 1, 1, 2]
    assert cut_trajectories(rows, 24.0, 2)["user"].to_list() == ["a"] * 4


def test_the_split_is_counted_over_all_rows_or_the_kept_ones(small_csv: Callable[..., Any], visits: list[str]) -> None:
    lonely = [f"u{n},p0,c,C,40,-74,0,2012-04-{n + 1:02} 09:00:00+00:00" for n in range(20)]  # isolated, early
    for rows, sizes in (("kept", [144, 18, 18]), ("all", [140, 20, 20])):
        made = trajectories_of(small_csv(lonely + visits, {"protocol.split_rows": rows}))
        assert [made.facts["counts"]["splits"][s]["checkins"] for s in ("train", "validation", "test")] == sizes


def test_nothing_left_is_said_with_the_settings(small_csv: Callable[..., Any], visits: list[str]) -> None:
    with pytest.raises(DataError, match=r"protocol\.min_poi_checkins=99"):
        trajectories_of(small_csv(visits, {"protocol.min_poi_checkins": 99}))
    with pytest.raises(DataError, match="validation split has no samples"):
        trajectories_of(small_csv(visits[:60]))
