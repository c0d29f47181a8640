from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from refinepoi.core.errors import DataError
from refinepoi.dataset.clean import (
    drop_exact_duplicates,
    drop_near_duplicates,
    number_names,
    one_place_a_poi,
    put_in_order,
)
from refinepoi.dataset.report import Report
from refinepoi.dataset.stage import trajectories_of

TIME = "2012-05-01 09:00:00+00:00"


def report_of(spec: Any) -> dict[str, Any]:
    facts: dict[str, Any] = trajectories_of(spec).facts["report"]
    return facts


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f",p1,c,C,40,-74,0,{TIME}", "no user"),
        (f"u1, ,c,C,40,-74,0,{TIME}", "no POI"),
        (f"u1,p1,c,C,forty,-74,0,{TIME}", "coordinate is no number"),
        (f"u1,p1,c,C,,-74,0,{TIME}", "coordinate is no number"),
        (f"u1,p1,c,C,nan,-74,0,{TIME}", "coordinate is NaN"),
        (f"u1,p1,c,C,40,inf,0,{TIME}", "coordinate is infinite"),
        (f"u1,p1,c,C,40,-1e999,0,{TIME}", "coordinate is infinite"),
        (f"u1,p1,c,C,-90.1,-74,0,{TIME}", "coordinate out of range"),
        (f"u1,p1,c,C,40,180.1,0,{TIME}", "coordinate out of range"),
        (f"u1,p1,c,C,0,-0.0,0,{TIME}", "coordinate is (0, 0)"),
        (f"u1,p1,c,C,40,-74,Mars/Base,{TIME}", "unknown time zone"),
        ("u1,p1,c,C,40,-74,0,soon", "unparsable time"),
        ("u1,p1,c,C,40,-74,0,1970-01-01 00:00:00+00:00", "time out of range"),
        ("u1,p1,c,C,40,-74,0,9999-12-31 23:59:59+00:00", "time out of range"),
        ("u1,p1", "2 fields instead of 8"),
    ],
)
def test_a_hostile_row_is_counted_and_listed(
    small_csv: Callable[..., Any], visits: list[str], line: str, reason: str
) -> None:
    spec = small_csv([*visits[:70], line, *visits[70:]])
    report = report_of(spec)
    assert report["bad"] == {reason: 1}
    assert [(r["file"], r["line"], r["reason"]) for r in report["rows"] if r["kind"] == "bad"] == [
        ("rows.csv", 72, reason)
    ]
    clean = trajectories_of(small_csv(visits))
    assert trajectories_of(small_csv([*visits[:70], line, *visits[70:]])).checkins.equals(clean.checkins)


def test_beyond_the_share_the_data_is_refused_by_file_and_line(
    small_csv: Callable[..., Any], visits: list[str]
) -> None:
    lines = [*visits, f"u1,p1,c,C,91,-74,0,{TIME}", f"u1,p1,c,C,92,-74,0,{TIME}"]
    report_of(small_csv(lines, {"cleaning.max_bad_share": 2 / 182}))
    with pytest.raises(
        DataError, match=r"2 of 182 rows are unusable .*rows.csv line 182: coordinate out of range 91, -74"
    ):
        report_of(small_csv(lines, {"cleaning.max_bad_share": 1.9 / 182}))


def test_duplicates_are_dropped_or_kept_and_always_reported(small_csv: Callable[..., Any], visits: list[str]) -> None:
    lines = [*visits, visits[3]]
    for policy, rows in (("drop", 180), ("keep", 181)):
        made = trajectories_of(small_csv(lines, {"cleaning.exact_duplicates": policy}))
        assert sum(made.facts["report"]["duplicates"].values()) == 1
        assert made.facts["counts"]["steps"][1]["checkins"] == rows
    with pytest.raises(DataError, match="1 of 181 rows are duplicates"):
        trajectories_of(small_csv(lines, {"cleaning.max_duplicate_share": 0.001}))


def rows_of(*rows: tuple[str, str, int]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["user", "poi", "utc"], orient="row")
    return frame.with_columns(file=pl.lit("f"), line=pl.int_range(pl.len()) + 1)


def test_near_duplicates_follow_one_another_at_one_poi() -> None:
    rows = rows_of(("a", "p", 0), ("b", "p", 30), ("a", "p", 599), ("a", "q", 650), ("a", "p", 700), ("a", "p", 1300))
    report = Report(9)
    kept = drop_near_duplicates(rows, 10.0, report)
    assert kept["utc"].to_list() == [0, 30, 650, 700, 1300]  # 599 s after the same; 1300 is exactly 10 minutes later
    assert report.duplicates == {"near duplicate, dropped": 1}
    assert drop_near_duplicates(rows, 0.0, report).equals(rows)


def test_exact_duplicates_are_the_same_user_poi_and_second(load_spec: Callable[..., Any]) -> None:
    rows = rows_of(("a", "p", 0), ("a", "p", 0), ("a", "q", 0), ("b", "p", 0), ("a", "p", 1))
    assert drop_exact_duplicates(rows, load_spec("city").cleaning, Report(9))["line"].to_list() == [1, 3, 4, 5]


def test_order_is_by_content_or_as_published() -> None:
    rows = rows_of(("a", "z", 5), ("a", "y", 5), ("a", "x", 4)).with_columns(
        latitude=1.0, longitude=1.0, category=pl.lit(""), category_id=pl.lit(""), local=pl.col("utc")
    )
    assert put_in_order(rows, published=True)["poi"].to_list() == ["x", "z", "y"]
    assert put_in_order(rows, published=False)["poi"].to_list() == ["x", "y", "z"]


def test_a_poi_has_its_commonest_place_and_names() -> None:
    train = pl.DataFrame(
        {
            "file": ["f"] * 5,
            "line": [1, 2, 3, 4, 5],
            "poi": pl.Series([0, 0, 0, 1, 1], dtype=pl.UInt32),
            "latitude": [1.0, 1.0, 3.0, 7.0, 5.0],
            "longitude": [2.0, 2.0, 4.0, 8.0, 6.0],
            "category": pl.Series([3, 4, 3, None, None], dtype=pl.UInt32),
            "category_id": pl.Series([7, 7, None, None, 9], dtype=pl.UInt32),
        }
    )
    report = Report(9)
    found = one_place_a_poi(train, report, pl.Series(["p", "q"]))
    assert found.rows() == [(0, 7, 3, 1.0, 2.0), (1, 9, None, 5.0, 6.0)]  # ties: the smallest
    assert report.remarks == {
        "place more than .01 degrees from the POI's usual one": 2,
        "category other than the POI's usual one": 1,
        "no category": 2,
    }
    assert {row["detail"] for row in report.rows if row["reason"] == "no category"} == {"q"}


def test_names_become_numbers_in_sorted_order_whatever_the_order_of_rows() -> None:
    blocks = [
        pl.DataFrame({"user": ["b", "a"], "poi": ["Cafe\u0301", "z"], "category": ["", "x"]}),
        pl.DataFrame({"user": ["c", "b"], "poi": ["Caf\u00e9", "y"], "category": ["x", "w"]}),
    ]
    kind = pl.col("user", "poi", "category").cast(pl.Categorical)
    rows, names = number_names([block.with_columns(kind) for block in blocks])
    assert {column: list(values) for column, values in names.items()} == {
        "user": ["a", "b", "c"],
        "poi": ["Caf\u00e9", "y", "z"],
        "category": ["w", "x"],
    }
    assert rows.rows() == [(1, 0, None), (0, 2, 1), (2, 0, 1), (1, 1, 0)]
    other, again = number_names([block.reverse().with_columns(kind) for block in reversed(blocks)])
    assert sorted(other.rows(), key=str) == sorted(rows.rows(), key=str)
    assert all(again[column].equals(names[column]) for column in names)


def test_the_report_lists_no_more_than_asked(small_csv: Callable[..., Any], visits: list[str]) -> None:
    lines = [*visits, *[f"u1,p1,c,C,91,-74,0,{TIME}"] * 9, *["x"] * 2]
    report = report_of(small_csv(lines, {"cleaning.listed": 3}))
    assert report["bad"] == {"coordinate out of range": 9, "1 fields instead of 8": 2}
    assert len(report["rows"]) == 5


def test_two_spellings_of_one_name_are_one(small_csv: Callable[..., Any], visits: list[str]) -> None:
    lines = [line.replace("Kind 1", "Café" if n % 2 else "Cafe\u0301") for n, line in enumerate(visits)]
    made = trajectories_of(small_csv(lines))
    assert sorted(made.pois["category"].unique()) == ["Café", "Kind 0"]
