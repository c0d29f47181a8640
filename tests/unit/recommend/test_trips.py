"""People of a CSV: who asks for when, and every row that cannot be used named by its line."""

from pathlib import Path
from typing import Any

import pytest
from options import option
from pydantic import ValidationError

from refinepoi.core.errors import DataError
from refinepoi.recommend.spec import RecommendSpec
from refinepoi.recommend.trips import Question, read_questions


def asking(folder: Path, text: str, columns: dict[str, Any] | None = None, **changes: Any) -> RecommendSpec:
    file = folder / "trips.csv"
    file.write_text(text, encoding="utf-8")
    settings = option("recommend", "default")
    settings["columns"] |= columns or {}
    return RecommendSpec.model_validate(settings | {"input": str(file)} | changes)


def ask(run: Any, folder: Path, text: str, columns: dict[str, Any] | None = None, **changes: Any) -> list[Question]:
    spec = asking(folder, text, columns, **changes)
    assert spec.problems() == []
    return read_questions(spec, run.recommender.catalogue)


ROWS = """user,poi,time,trip,ask
ann,{0},2024-02-01T08:00-05:00,a,
bob,{1},2024-02-01T09:00-05:00,b,
ann,{2},2024-02-03T10:00-05:00,c,2024-02-03T18:00-05:00
ann,{1},2024-02-01T12:30-05:00,a,
"""


def rows(run: Any) -> str:
    return ROWS.format(*run.trajectories.pois["poi_id"].head(3))


def told(questions: list[Question]) -> list[tuple[str, str | None, list[int], str]]:
    return [(q.user, q.trip, [visit.found.poi for visit in q.visits], q.when.text()) for q in questions]


def test_one_question_a_person(run: Any, tmp_path: Path) -> None:
    assert told(ask(run, tmp_path, rows(run))) == [
        ("ann", None, [0, 1, 2], "2024-02-03T11:00:00-05:00"),
        ("bob", None, [1], "2024-02-01T10:00:00-05:00"),
    ]


def test_one_question_after_each_trip_sees_what_came_before(run: Any, tmp_path: Path) -> None:
    asked = ask(run, tmp_path, rows(run), {"trip": "trip", "when": "ask"}, each="trip", when="last+30")
    assert told(asked) == [
        ("ann", "a", [0, 1], "2024-02-01T13:00:00-05:00"),
        ("ann", "c", [0, 1, 2], "2024-02-03T18:00:00-05:00"),
        ("bob", "b", [1], "2024-02-01T09:30:00-05:00"),
    ]


def test_a_moment_for_everybody_is_read_on_their_own_clock(run: Any, tmp_path: Path) -> None:
    asked = ask(run, tmp_path, rows(run), when="2024-02-04T00:00:00+00:00")
    assert {q.when.text() for q in asked} == {"2024-02-03T19:00:00-05:00"}


def test_everything_is_one_person_without_a_user_column(run: Any, tmp_path: Path) -> None:
    assert told(ask(run, tmp_path, rows(run), {"user": None})) == [
        ("1", None, [0, 1, 1, 2], "2024-02-03T11:00:00-05:00")
    ]


def test_now_is_written_down_as_the_time_it_was(tmp_path: Path) -> None:
    spec = asking(tmp_path, "user,poi,time\n", when="now")
    assert spec.when.endswith("+00:00") and RecommendSpec.model_validate_json(spec.model_dump_json()).when == spec.when


def test_all_bad_rows_are_named_by_their_lines(run: Any, tmp_path: Path) -> None:
    poi = run.trajectories.pois["poi_id"][0]
    text = f"""user,poi,time
ann,{poi},2024-02-01T08:00-05:00
bob,atlantis,2024-02-01T08:00-05:00
ann,{poi},soon
cid,{poi},2024-03-01T08:00-05:00
"""
    with pytest.raises(DataError) as refused:
        ask(run, tmp_path, text, when="2024-02-15T00:00-05:00")
    lines = [line.strip() for line in str(refused.value).splitlines()]
    assert lines[0] == "3 of 4 rows cannot be used"
    assert lines[1].startswith("row 3: place 'atlantis' is not in the catalogue")
    assert lines[2].startswith("row 4: time 'soon' cannot be read")
    assert lines[3].startswith("row 5: when 2024-02-15T00:00:00-05:00 is not after the visit at 2024-03-01T08:00:00")


GOOD = b"ann,p1,2024-02-01T08:00-05:00,a\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"ann,p1\n", "has another number of columns"),
        (GOOD.replace(b"\n", b",more\n"), "has another number of columns"),
        ("ann,Café,2024-02-01T08:00-05:00,a\n".encode("latin-1"), "is no UTF-8"),
        (b"ann," + b"x" * 200_000 + b",2024-02-01T08:00-05:00,a\n", "field larger than field limit"),
        (GOOD.replace(b"ann", b" "), "has nothing in column 'user'"),
        (GOOD.replace(b",a\n", b", \n"), "has nothing in column 'trip'"),
    ],
)
def test_rows_that_break_are_found_before_anything_runs(tmp_path: Path, line: bytes, said: str) -> None:
    spec = asking(tmp_path, "", {"trip": "trip"}, each="trip")
    (tmp_path / "trips.csv").write_bytes(b"user,poi,time,trip\n" + 3000 * GOOD + line + GOOD)
    (found,) = spec.problems()
    assert "recommend.input: line 3002 of" in found and said in found


@pytest.mark.parametrize("zone", ["Mars/Olympus", "99999"])
def test_zones_that_are_none_are_refused(tmp_path: Path, zone: str) -> None:
    with pytest.raises(ValidationError, match="time zone"):
        asking(tmp_path, "user,poi,time\n", timezone=zone)


def test_an_empty_table_is_refused(run: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no visit"):
        ask(run, tmp_path, "user,poi,time\n")


def test_wrong_settings_are_found_before_anything_runs(tmp_path: Path) -> None:
    spec = asking(tmp_path, "user,place,time\n", {"when": "asked"}, each="trip", run=str(tmp_path / "none"))
    said = "\n".join(spec.problems())
    for expected in (
        "recommend.columns.poi: no column 'poi' in", "it has user, place, time",
        "recommend.columns.when: no column 'asked'", "recommend.run:", "recommend.each: trip asks after each trip",
    ):  # fmt: skip
        assert expected in said
    missing = asking(tmp_path, "", input=str(tmp_path / "gone.csv")).problems()
    assert len(missing) == 1 and "recommend.input" in missing[0] and "cannot be read" in missing[0]


@pytest.mark.parametrize("when", ["soon", "last+", "last+1.5", "2024-02-01T08:00"])
def test_moments_that_mean_nothing_are_refused(tmp_path: Path, when: str) -> None:
    with pytest.raises(ValidationError, match=r"last\+MINUTES, now, or a time with its zone"):
        asking(tmp_path, "user,poi,time\n", when=when)


def test_other_content_is_another_question(tmp_path: Path) -> None:
    before = asking(tmp_path, "user,poi,time\n").content
    assert asking(tmp_path, "user,poi,time\nann,p1,2024-02-01T08:00-05:00\n").content != before
