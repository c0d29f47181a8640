from datetime import UTC, datetime

import polars as pl
import pytest

from refinepoi.dataset.times import add_times

ISO = "%Y-%m-%d %H:%M:%S%z"


def epoch(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type]


def one(
    time: str, timezone: str, time_format: str = ISO, time_is: str = "utc"
) -> tuple[int | None, int | None, str | None]:
    rows = add_times(pl.DataFrame({"time": [time], "timezone": [timezone]}), time_format, time_is, None)
    utc, local, problem = rows.select("utc", "local", "time_problem").row(0)
    return utc, local, problem


def test_minutes_from_utc() -> None:
    assert one("2012-04-03 18:00:09+00:00", "-240") == (epoch(2012, 4, 3, 18, 0, 9), epoch(2012, 4, 3, 14, 0, 9), None)
    assert one("2012-04-03 18:00:09+00:00", "-240.0")[1] == epoch(2012, 4, 3, 14, 0, 9)


def test_an_offset_in_the_text_is_obeyed() -> None:
    assert one("2012-04-03 18:00:00+02:00", "120")[:2] == (epoch(2012, 4, 3, 16), epoch(2012, 4, 3, 18))


def test_twitter_time() -> None:
    utc, local, _ = one("Mon Jun 03 15:03:41 +0000 2013", "-420", "%a %b %d %H:%M:%S %z %Y")
    assert (utc, local) == (epoch(2013, 6, 3, 15, 3, 41), epoch(2013, 6, 3, 8, 3, 41))


def test_epoch_seconds() -> None:
    assert one("1333476009", "60", "epoch")[:2] == (1333476009, 1333476009 + 3600)


def test_zone_names_know_summer_time() -> None:
    winter = one("2012-01-10 12:00:00+00:00", "America/New_York")
    summer = one("2012-07-10 12:00:00+00:00", "America/New_York")
    assert (winter[1], summer[1]) == (epoch(2012, 1, 10, 7), epoch(2012, 7, 10, 8))


def test_one_zone_for_all_rows() -> None:
    rows = add_times(pl.DataFrame({"time": ["2012-01-10 12:00:00+00:00"] * 2}), ISO, "utc", "America/Phoenix")
    assert (rows["utc"] - rows["local"]).to_list() == [7 * 3600] * 2


def test_local_times_of_a_zone() -> None:
    plain = "%Y-%m-%d %H:%M:%S"
    assert one("2012-07-10 08:00:00", "America/New_York", plain, "local")[:2] == (
        epoch(2012, 7, 10, 12),
        epoch(2012, 7, 10, 8),
    )
    # 2:30 did not exist on the day the clocks went forward; 1:30 came twice when they went back: the first is taken
    assert one("2012-03-11 02:30:00", "America/New_York", plain, "local")[2] == "local time that its zone skipped"
    assert one("2012-11-04 01:30:00", "America/New_York", plain, "local")[0] == epoch(2012, 11, 4, 5, 30)


@pytest.mark.parametrize(
    ("time", "timezone", "problem"),
    [
        ("yesterday", "0", "unparsable time"),
        ("2012-02-30 00:00:00+00:00", "0", "unparsable time"),
        ("", "0", "unparsable time"),
        ("2012-04-03 18:00:09+00:00", "", "unknown time zone"),
        ("2012-04-03 18:00:09+00:00", "America/Nowhere", "unknown time zone"),
        ("2012-04-03 18:00:09+00:00", "../../etc/passwd", "unknown time zone"),
        ("2012-04-03 18:00:09+00:00", "9000", "time zone outside -720..840 minutes"),
    ],
)
def test_problems_are_named(time: str, timezone: str, problem: str) -> None:
    assert one(time, timezone) == (None, None, problem)
