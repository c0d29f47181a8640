"""Trips: the people of a CSV file, what each of them has visited and for which time they ask."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from refinepoi.core.errors import DataError, UserError
from refinepoi.recommend.catalogue import Catalogue
from refinepoi.recommend.clock import Moment, moment
from refinepoi.recommend.spec import AFTER_LAST, RecommendSpec
from refinepoi.recommend.table import read_rows
from refinepoi.recommend.visits import FIELDS, Row, Visit, refuse, sift


@dataclass(frozen=True)
class Question:
    """trip: its name where one question is asked after each trip. visits: in time order, all before `when`."""

    user: str
    trip: str | None
    visits: list[Visit]
    when: Moment


def read_questions(spec: RecommendSpec, catalogue: Catalogue) -> list[Question]:
    """Every question of the file. Raises DataError that names every row that cannot be used."""
    people = read_people(spec)
    questions, problems, total = [], [], 0
    for user, rows in people.items():
        visits, bad = sift([row for row, _ in rows], catalogue, None, spec.timezone, spec.within_km, "row")
        total += len(rows)
        problems += bad
        if not bad:
            asked, bad = _questions(spec, user, rows, visits)
            questions += asked
            problems += bad
    refuse(sorted(problems, key=_row_number), total, "row")
    if not questions:
        raise DataError(f"recommend.input: {str(spec.input)!r} holds no visit; give a row a visit")
    return questions


def read_people(spec: RecommendSpec) -> dict[str, list[tuple[Row, str | None]]]:
    """Rows by person, in the order of the file, each with the text of its `when`. Rows are numbered as lines are."""
    people: dict[str, list[tuple[Row, str | None]]] = {}
    columns = spec.columns
    named = {field: getattr(columns, field) for field in FIELDS}
    for line, row in read_rows("recommend.input", Path(str(spec.input)), spec.delimiter, spec.filled):
        values = {field: row[name] for field, name in named.items() if name is not None}
        user = row[columns.user] if columns.user is not None else "1"
        when = row[columns.when].strip() or None if columns.when is not None else None
        people.setdefault(user, []).append((Row(line, values), when))
    return people


def _questions(
    spec: RecommendSpec, user: str, rows: Sequence[tuple[Row, str | None]], visits: Sequence[Visit]
) -> tuple[list[Question], list[str]]:
    """One question, or one after each trip; what comes after a question's trip is not told."""
    questions, problems = [], []
    for trip, past in _parts(spec.each, visits):
        told = [(row, when) for row, when in rows if when is not None and trip in (None, row.values.get("trip"))]
        row, text = told[-1] if told else (rows[-1][0], spec.when)
        try:
            when = _asked(text, past[-1].at)
        except UserError as error:
            problems.append(f"row {row.number}: when: {error}")
            continue
        late = [visit for visit in past if visit.at.utc >= when.utc]
        if late:
            problems.append(
                f"row {row.number}: when {when.text()} is not after the visit at {late[0].at.text()}; ask for a later "
                "time (recommend.when, recommend.columns.when), or leave that visit out"
            )
            continue
        questions.append(Question(user, trip, list(past), when))
    return questions, problems


def _parts(each: str, visits: Sequence[Visit]) -> Iterator[tuple[str | None, Sequence[Visit]]]:
    if each == "person":
        yield None, visits
        return
    ends = {visit.trip: number for number, visit in enumerate(visits)}
    for trip, end in ends.items():
        yield trip, visits[: end + 1]


def _asked(text: str, last: Moment) -> Moment:
    """The moment asked for, on the local clock of the last visit."""
    after = AFTER_LAST.fullmatch(text)
    if after:
        return Moment(last.utc + 60 * int(after[1]), last.local + 60 * int(after[1]))
    return moment(text, (last.local - last.utc) // 60)


def _row_number(problem: str) -> int:
    return int(problem.split(":")[0].removeprefix("row "))
