"""A person's visits: rows of any table, checked against catalogue and clock; every bad row is named at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from refinepoi.core.errors import DataError, UserError
from refinepoi.recommend.catalogue import Catalogue, Found
from refinepoi.recommend.clock import Moment, moment

FIELDS = ("poi", "time", "timezone", "latitude", "longitude", "trip")
"""What a row may tell, in the order of rows that are tuples. A row needs `time`, and `poi` or both coordinates."""
LISTED = 20


class Visit(NamedTuple):
    """found: the place. at: when. trip: name of the trip it belongs to; None: told by the gaps."""

    found: Found
    at: Moment
    trip: str | None


class Row(NamedTuple):
    """number: as the user counts. values: by the names of `FIELDS`."""

    number: int
    values: Mapping[str, Any]


def rows_of(history: Any) -> list[Row]:
    """
    history: a data frame (polars, pandas), mappings with keys of `FIELDS`, or tuples in that order. Rows count from 1.
    """
    if hasattr(history, "to_dicts"):
        items: Iterable[Any] = history.to_dicts()
    elif hasattr(history, "to_dict"):
        items = history.to_dict("records")
    else:
        items = history
    rows = []
    for number, item in enumerate(items, start=1):
        if isinstance(item, str) or not isinstance(item, Mapping | Sequence):
            raise DataError(f"visit {number}: {item!r} is no row; give (poi, time) or {{'poi': ..., 'time': ...}}")
        values = dict(item) if isinstance(item, Mapping) else dict(zip(FIELDS, item, strict=False))
        unknown = sorted(map(str, values.keys() - set(FIELDS)))
        if unknown or (not isinstance(item, Mapping) and len(item) > len(FIELDS)):
            what = f"unknown {', '.join(unknown)}" if unknown else f"{len(item)} values"
            raise DataError(f"visit {number}: {what}; a visit has {', '.join(FIELDS)}")
        rows.append(Row(number, values))
    return rows


def read_visits(
    rows: Sequence[Row], catalogue: Catalogue, before: Moment | None, zone: Any, within_km: float, where: str = "visit"
) -> list[Visit]:
    """
    The visits in time order. before: all must be earlier. zone: of times that tell none. where: what a row is called.
    Raises DataError that names every row that cannot be used.
    """
    visits, problems = sift(rows, catalogue, before, zone, within_km, where)
    refuse(problems, len(rows), where)
    return visits


def sift(
    rows: Sequence[Row], catalogue: Catalogue, before: Moment | None, zone: Any, within_km: float, where: str
) -> tuple[list[Visit], list[str]]:
    """The visits that can be used, in time order, and a line for each row that cannot."""
    visits, problems = [], []
    for row in rows:
        try:
            visits.append(_visit(row.values, catalogue, before, zone, within_km))
        except UserError as error:
            problems.append(f"{where} {row.number}: {error}")
    return sorted(visits, key=lambda visit: visit.at.utc), problems


def refuse(problems: Sequence[str], total: int, where: str) -> None:
    """Raise DataError with all problems, the first `LISTED` in full; nothing where there is none."""
    if problems:
        more = [f"and {len(problems) - LISTED} more"] if len(problems) > LISTED else []
        count = f"{len(problems)} of {total} {where}{'s' * (total != 1)} cannot be used"
        raise DataError("\n  ".join([count, *problems[:LISTED], *more]))


def _visit(
    values: Mapping[str, Any], catalogue: Catalogue, before: Moment | None, zone: Any, within_km: float
) -> Visit:
    values = {name: value for name, value in values.items() if value is not None and str(value).strip() != ""}
    if "time" not in values:
        raise UserError("has no time; write it as 2012-12-21T08:29:31-05:00")
    at = moment(values["time"], values.get("timezone", zone))
    if before is not None and at.utc >= before.utc:
        raise UserError(f"time {at.text()} is not earlier than {before.text()}, which is asked for; leave it out")
    poi = str(values["poi"]).strip() if "poi" in values else None
    found = catalogue.find(poi, _degrees(values, "latitude"), _degrees(values, "longitude"), within_km)
    return Visit(found, at, str(values["trip"]) if "trip" in values else None)


def _degrees(values: Mapping[str, Any], name: str) -> float | None:
    if name not in values:
        return None
    try:
        return float(values[name])
    except ValueError:
        raise UserError(f"{name} {values[name]!r} is no number; give degrees such as 40.7") from None
