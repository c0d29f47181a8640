"""Sentences worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinepoi.profile.habits import Map, sentences, within
from refinepoi.profile.moments import Moment

DAY, HOUR = 86400, 3600
MONDAY = 4 * DAY  # 1970-01-05
NAMES = ["Office", "Bar", "Home (private)", "unknown"]
# places: the office at the centre, the bar 1 km north, home 3 km east and 3 km south
CITY = Map(
    np.array(NAMES, object), np.array([40.0, 40.008993, 39.973020, 40.0]), np.array([-74.0, -74.0, -73.964780, -74.0]),
    (40.0, -74.0),
)  # fmt: skip


def moment(visits: list[tuple[float, int]]) -> Moment:
    hours, poi = zip(*visits, strict=True)
    utc = np.array([MONDAY + h * HOUR for h in hours]).astype(np.int64)
    return Moment(0, int(utc[-1]) + 1, np.array(poi), utc, utc)


def test_a_working_week() -> None:
    days = [(24 * day + hour, poi) for day in range(14) if day % 7 < 5 for hour, poi in ((9, 0), (12, 0), (21, 2))]
    saturday = [(24 * 5 + 15, 1), (24 * 12 + 15, 1)]
    assert sentences(moment(sorted(days + saturday)), CITY) == [
        "Very active: 32 check-ins, about 18 a week.",  # 32 in 12.25 days
        "Most visited: Office 62 %, Home (private) 31 %, Bar 6 %.",
        "Routines: workdays around 09:00 Office (10 days); workdays around 12:00 Office (10 days); "
        "workdays around 21:00 Home (private) (10 days).",
        "Hours: morning 31 % and midday 31 %; weekends 6 %.",
        "Home area, by evenings and nights: 4.2 km south-east of the centre.",
        "Work area, by weekday working hours: the centre of the city.",
        "Knows 3 places and returns to the same ones.",
    ]


def test_what_is_not_there_is_not_said() -> None:
    assert sentences(moment([(12, 3)]), CITY) == [
        "Seldom active: 1 check-ins, about 1 a week.",
        "Hours: midday 100 %; weekends 0 %.",
        "Knows 1 places and likes new ones.",
    ]


def test_a_routine_takes_three_days() -> None:
    twice = [(9, 0), (9.2, 0), (9.4, 0), (33, 0)]
    assert not any("Routines" in said for said in sentences(moment(twice), CITY))
    assert "Routines: workdays around 09:00 Office (3 days)." in sentences(moment([*twice, (57, 0)]), CITY)


@pytest.mark.parametrize(("words", "text"), [(5, "a b c d e"), (4, "a b c"), (3, "a b c"), (2, "a b"), (1, "a")])
def test_whole_sentences_within_the_words(words: int, text: str) -> None:
    assert within(["a b c", "d e"], words) == text


@given(st.lists(st.tuples(st.integers(0, 24 * 60), st.integers(0, 3)), min_size=1, max_size=40), st.integers(1, 60))
def test_never_longer_and_always_of_the_first_sentences(visits: list[tuple[int, int]], words: int) -> None:
    parts = sentences(moment([(float(hour), poi) for hour, poi in sorted(visits)]), CITY)
    text = within(parts, words)
    assert len(text.split()) <= words and " ".join(parts).startswith(text) and text
    assert set("<>[]").isdisjoint(text) and "\n" not in text
