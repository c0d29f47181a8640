"""Times as people write them."""

import zoneinfo
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinepoi.core.errors import UserError
from refinepoi.recommend.clock import moment

MOMENTS = st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1)).map(lambda t: t.replace(microsecond=0))
OFFSETS = st.integers(-14 * 60, 14 * 60)
EPOCH = datetime(1970, 1, 1)


@given(MOMENTS, OFFSETS)
def test_all_ways_to_write_a_time_agree(local: datetime, minutes: int) -> None:
    utc = local - timedelta(minutes=minutes)
    expected = int((utc - EPOCH).total_seconds()), int((local - EPOCH).total_seconds())
    aware = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    told = moment(aware)
    assert tuple(told) == expected
    assert moment(aware.isoformat()) == moment(local, minutes) == moment(local.isoformat(), str(minutes)) == told
    assert moment(utc.replace(tzinfo=UTC), minutes) == moment(expected[0], minutes) == told
    assert moment(told.text()) == told


@given(MOMENTS)
def test_a_named_zone_knows_its_summer(utc: datetime) -> None:
    there = utc.replace(tzinfo=UTC).astimezone(zoneinfo.ZoneInfo("America/New_York"))
    told = moment(utc.isoformat() + "Z", "America/New_York")
    assert told.local - told.utc == there.utcoffset().total_seconds()


@pytest.mark.parametrize(
    ("time", "zone", "said"),
    [
        ("2012-04-01T08:00:00", None, "tells no zone"),
        ("2012-04-01T08:00:00", "", "tells no zone"),
        ("first of April", None, "'first of April' cannot be read"),
        ("2012-04-01T08:00:00", "Mars/Olympus", "time zone 'Mars/Olympus' is unknown"),
        ("2012-04-01T08:00:00", "../etc/passwd", "is unknown"),
        ("2012-04-01T08:00:00", 999, "outside"),
        (None, None, "is no time"),
        (True, None, "is no time"),
        (float("nan"), None, "cannot be read"),
        (10**15, None, "cannot be read"),
    ],
)
def test_what_is_no_time_is_refused(time: Any, zone: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        moment(time, zone)
