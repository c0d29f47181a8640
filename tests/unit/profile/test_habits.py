"""Sentences worked by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from options import option
from pydantic import TypeAdapter

from refinepoi.profile.habits import Map, sentences, within
from refinepoi.profile.moments import Moment
from refinepoi.profile.spec import ProfileSpec
from refinepoi.profile.write import as_sentences, question
from refinepoi.prompt.sanitise import LONGEST_PROFILE

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
    assert not any("Routines" in said for said in sentences(moment([(9, 3), (33, 3), (57, 3)]), CITY)), "of what?"


HOURS = [
    (5, "night", "Home"), (6, "morning", "Home"), (7, "morning", None), (8, "morning", None), (9, "morning", "Work"),
    (10, "morning", "Work"), (11, "midday", "Work"), (13, "midday", "Work"), (14, "afternoon", "Work"),
    (16, "afternoon", "Work"), (17, "afternoon", None), (18, "evening", None), (19, "evening", None),
    (20, "evening", "Home"), (23, "evening", "Home"), (0, "night", "Home"),
]  # fmt: skip


@pytest.mark.parametrize(("hour", "part", "area"), HOURS)
def test_parts_of_the_day_and_where_they_are_spent(hour: int, part: str, area: str | None) -> None:
    def areas(days: list[int]) -> list[str]:
        said = sentences(moment([(24 * day + hour, 0) for day in days]), CITY)
        assert f"Hours: {part} 100 %; weekends {100 * (days[0] > 4)} %." in said
        return [sentence.split()[0] for sentence in said if " area, " in sentence]

    assert areas([0, 1, 4]) == ([area] if area else [])
    assert areas([0, 4]) == [], "three check-ins make an area"
    for saturday_or_sunday in (5, 6):
        assert areas([saturday_or_sunday + 7 * week for week in range(3)]) == (["Home"] if area == "Home" else [])


def test_an_area_is_where_most_check_ins_are() -> None:
    said = sentences(moment([(20, 0), (44, 0), (68, 2)]), CITY)
    assert "Home area, by evenings and nights: the centre of the city." in said


@pytest.mark.parametrize(
    ("check_ins", "weeks", "said"),
    [
        (2, 1, "Seldom active: 2 check-ins, about 2 a week."),
        (3, 1, "Fairly active: 3 check-ins, about 3 a week."),
        (9, 1, "Fairly active: 9 check-ins, about 9 a week."),
        (10, 1, "Very active: 10 check-ins, about 10 a week."),
        (20, 2, "Very active: 20 check-ins, about 10 a week."),
        (2, 5, "Seldom active: 2 check-ins, about 1 a week."),
    ],
)
def test_levels_of_activity(check_ins: int, weeks: int, said: str) -> None:
    hours = np.linspace(0, 7 * 24 * weeks, check_ins)
    assert sentences(moment([(float(hour), 0) for hour in hours]), CITY)[0] == said


@pytest.mark.parametrize(
    ("places", "check_ins", "kind"),
    [(3, 5, "likes new ones"), (4, 7, "mixes old and new ones"), (1, 3, "mixes old and new ones"),
     (3, 10, "returns to the same ones")],
)  # fmt: skip
def test_curiosity(places: int, check_ins: int, kind: str) -> None:
    said = sentences(moment([(hour, hour % places) for hour in range(check_ins)]), CITY)
    assert said[-1] == f"Knows {places} places and {kind}."


def test_five_categories_and_four_routines_are_named_ties_in_order() -> None:
    names = np.array([*"gfedcba", "unknown"], object)
    city = Map(names, np.full(8, 40.0), np.full(8, -74.0), (40.0, -74.0))
    said = sentences(moment([(24 * day + 8 + poi, poi) for day in range(3) for poi in range(8)]), city)
    assert "Most visited: a 12 %, b 12 %, c 12 %, d 12 %, e 12 %." in said
    routines = "; ".join(f"workdays around {8 + poi:02d}:00 {name} (3 days)" for poi, name in enumerate("gfed"))
    assert f"Routines: {routines}." in said


def test_what_a_language_model_reads() -> None:
    visits = moment([(9, 0), (33.5, 1), (24 * 5 + 15.25, 2), (24 * 6 + 23, 3)])
    lines = question(asking(visits=3), visits, ["One.", "Two."], CITY).split("\n")
    assert "at most 60 words" in lines[0]
    assert lines[1:] == [
        "", "One.", "Two.", "", "Latest check-ins:",
        "Tuesday 09:30 Bar", "Saturday 15:15 Home (private)", "Sunday 23:00 unknown",
    ]  # fmt: skip
    assert question(asking(visits=0), visits, ["One.", "Two."], CITY).split("\n")[1:] == ["", "One.", "Two."]


def asking(**changes: Any) -> Any:
    values = option("profile", "llm") | {"words": 60} | changes
    values["writer"] |= {"url": "http://localhost:1/v1"}
    return TypeAdapter(ProfileSpec).validate_python(values)


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        ("Is it? Yes! So it is. And so", ["Is it?", "Yes!", "So it is.", "And so"]),
        ("<think>a</think>b</think> c.", ["c."]),
        ("Home at 3.5 km\n\nof the centre.", ["Home at 3.5 km of the centre."]),
        (" ", ["unknown"]),
    ],
)
def test_an_answer_as_sentences(answer: str, parts: list[str]) -> None:
    assert as_sentences(answer) == parts


def test_no_answer_is_longer_than_a_profile_may_be() -> None:
    assert len(" ".join(as_sentences("word " * 10_000))) <= LONGEST_PROFILE


@pytest.mark.parametrize(("words", "text"), [(5, "a b c d e"), (4, "a b c"), (3, "a b c"), (2, "a b"), (1, "a")])
def test_whole_sentences_within_the_words(words: int, text: str) -> None:
    assert within(["a b c", "d e"], words) == text


@given(st.lists(st.tuples(st.integers(0, 24 * 60), st.integers(0, 3)), min_size=1, max_size=40), st.integers(1, 60))
def test_never_longer_and_always_of_the_first_sentences(visits: list[tuple[int, int]], words: int) -> None:
    parts = sentences(moment([(float(hour), poi) for hour, poi in sorted(visits)]), CITY)
    text = within(parts, words)
    assert len(text.split()) <= words and " ".join(parts).startswith(text) and text
    assert set("<>[]").isdisjoint(text) and "\n" not in text
