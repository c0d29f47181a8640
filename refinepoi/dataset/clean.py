"""Rows of text -> checked check-ins. Every row that cannot be used gets a reason and goes into the report.

Text is stripped and brought to Unicode NFC, so that two spellings of one name are one name, and then replaced by its
number in the sorted list of names: steps after this one compare and sort numbers. Order: time, then user, then either
the order of the files (`published`) or the row's own content, so that shuffled input gives the same result.
"""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from refinepoi.dataset.report import Report

if TYPE_CHECKING:
    from refinepoi.dataset.protocol_spec import CleaningSpec

TEXT = ("user", "poi", "category", "category_id", "trajectory")
SECONDS = 86_400
CLOCK_HOURS = 3.5
MOST_CLOCKS_OFF = (
    f"clock more than {CLOCK_HOURS} h off its longitude: look at dataset.columns.latitude and longitude (swapped?), "
    "dataset.time_is and the time zone"
)
CONTENT = ("poi", "latitude", "longitude", "category", "category_id", "local")

Names = dict[str, pl.Series]
"""Column -> its sorted names; a number in that column is a row of this list."""


def check_rows(rows: pl.DataFrame, cleaning: "CleaningSpec", report: Report) -> pl.DataFrame:
    """
    rows: `file`, `line`, text columns user, poi, category, category_id (empty allowed), latitude, longitude and, parsed
    by `times.py`, `utc` and `local` (Int64 seconds, null with a `time_problem` text).
    Returns the good rows: text as Categorical, latitude and longitude as Float64.
    """
    texts = [column for column in TEXT if column in rows.columns]
    rows = rows.with_columns(pl.col(texts).str.strip_chars().fill_null("")).with_columns(
        pl.col(c).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False).alias(f"{c}_value")
        for c in ("latitude", "longitude")
    )
    latitude, longitude = pl.col("latitude_value"), pl.col("longitude_value")
    written = (pl.col(c).cast(pl.String).fill_null("") for c in ("latitude", "longitude"))
    place = pl.format("{}, {}", *written)
    earliest, latest = (_epoch_day(day) * SECONDS for day in (cleaning.earliest, cleaning.latest))
    rules: list[tuple[pl.Expr, str | pl.Expr, pl.Expr]] = [
        (pl.col("user") == "", "no user", pl.lit("")),
        (pl.col("poi") == "", "no POI", pl.lit("")),
        (pl.col("trajectory") == "" if "trajectory" in texts else pl.lit(False), "no trajectory", pl.lit("")),
        (pl.col("time_problem").is_not_null(), pl.col("time_problem"), pl.col("time")),
        ((pl.col("utc") < earliest) | (pl.col("utc") >= latest), "time out of range", pl.col("time")),
        (latitude.is_null() | longitude.is_null(), "coordinate is no number", place),
        (latitude.is_nan() | longitude.is_nan(), "coordinate is NaN", place),
        (latitude.is_infinite() | longitude.is_infinite(), "coordinate is infinite", place),
        ((latitude.abs() > 90) | (longitude.abs() > 180), "coordinate out of range", place),
        ((latitude == 0) & (longitude == 0), "coordinate is (0, 0)", place),
    ]
    fails = pl.any_horizontal(condition for condition, _, _ in rules).fill_null(True)
    rows = rows.with_columns(fails=fails)
    if rows["fails"].any():
        reason, detail = pl.lit(None, pl.String), pl.lit("")
        for condition, text, what in reversed(rules):
            reason = pl.when(condition).then(text if isinstance(text, pl.Expr) else pl.lit(text)).otherwise(reason)
            detail = pl.when(condition).then(what).otherwise(detail)
        report.add("bad", rows.filter("fails").select("file", "line", reason=reason, detail=detail))
        rows = rows.filter(~pl.col("fails"))
    return rows.select(
        pl.col("file", *texts).cast(pl.Categorical),
        "line",
        "utc",
        "local",
        *(c for c in ("split",) if c in rows.columns),
        latitude=latitude,
        longitude=longitude,
    )


def number_names(blocks: Iterable[pl.DataFrame]) -> tuple[pl.DataFrame, Names]:
    """
    One table of all blocks, its text columns as UInt32 numbers of sorted names in NFC; null where category or
    category_id is empty. Numbers do not depend on the order of the rows.
    """
    rows = pl.concat(blocks, rechunk=False)
    names: Names = {}
    for column in (c for c in TEXT if c in rows.columns):
        code = rows[column].to_physical()
        used = code.unique().sort()
        texts = used.cat.to(rows.schema[column]).cast(pl.String) if used.len() else pl.Series([], dtype=pl.String)
        texts = texts.str.normalize("NFC")
        names[column] = texts.filter(texts != "").unique().sort().alias(column)
        rank = np.zeros(int(used.max() or 0) + 1, np.uint32)  # type: ignore[arg-type]
        rank[used.to_numpy()] = names[column].search_sorted(texts).to_numpy() if used.len() else 0
        number = pl.Series(column, rank[code.to_numpy()])
        if (texts == "").any():
            empty = pl.Series(np.isin(code.to_numpy(), used.filter(texts == "").to_numpy()))
            number = pl.select(pl.when(~empty).then(number)).to_series()
        rows = rows.with_columns(number.alias(column))
    return rows, names


def remark_clocks(rows: pl.DataFrame, report: Report) -> None:
    """A remark where most clocks do not fit the longitude: swapped columns, or the zone of another place."""
    hours = (pl.col("local") - pl.col("utc")) / 3600 - pl.col("longitude") / 15
    apart = (hours + 12) % 24 - 12  # the date line
    off = rows.select((apart.abs() > CLOCK_HOURS).sum()).item()
    if 2 * off > rows.height:
        report.remarks[MOST_CLOCKS_OFF] = off


def put_in_order(rows: pl.DataFrame, published: bool) -> pl.DataFrame:
    """By time and user; visits of one user in one second in published order, or by content."""
    rows = rows.sort("utc", "user", maintain_order=True)
    tied = np.flatnonzero(at_one_time(rows).to_numpy())
    if published or not len(tied):
        return rows
    order = np.arange(rows.height)
    again = rows[tied].with_columns(row=pl.Series(tied)).sort("utc", "user", *CONTENT, maintain_order=True)
    order[tied] = again["row"].to_numpy()
    return rows[order]


def at_one_time(rows: pl.DataFrame) -> pl.Series:
    """[rows] whether the row before or after is of the same user and second. rows: in order."""
    same = ((pl.col("utc") == pl.col("utc").shift()) & (pl.col("user") == pl.col("user").shift())).fill_null(False)
    return rows.select((same | same.shift(-1)).fill_null(same).alias("tied"))["tied"]


def drop_exact_duplicates(rows: pl.DataFrame, cleaning: "CleaningSpec", report: Report) -> pl.DataFrame:
    """The same user at the same POI in the same second. rows: in order."""
    tied = np.flatnonzero(at_one_time(rows).to_numpy())
    found = rows[tied].with_columns(row=pl.Series(tied, dtype=pl.Int64))
    found = found.filter(~pl.struct("user", "poi", "utc").is_first_distinct())
    verb = "dropped" if cleaning.exact_duplicates == "drop" else "kept"
    report.add("duplicates", found.select("file", "line", reason=pl.lit(f"exact duplicate, {verb}")))
    if cleaning.exact_duplicates == "keep" or not found.height:
        return rows
    kept = np.ones(rows.height, bool)
    kept[found["row"].to_numpy()] = False
    return rows.filter(pl.Series(kept))


def drop_near_duplicates(rows: pl.DataFrame, minutes: float, report: Report) -> pl.DataFrame:
    """A check-in less than `minutes` after the user's previous one, both at the same POI. rows: in order."""
    if not minutes:
        return rows
    same = pl.col("poi") == pl.col("poi").shift().over("user")
    soon = pl.col("utc").diff().over("user") < minutes * 60
    rows = rows.with_columns(near=(same & soon).fill_null(False))
    report.add("duplicates", rows.filter("near").select("file", "line", reason=pl.lit("near duplicate, dropped")))
    return rows.filter(~pl.col("near")).drop("near")


def one_place_a_poi(train: pl.DataFrame, report: Report, names: pl.Series) -> pl.DataFrame:
    """
    The catalogue: each POI's commonest place, category and category id among its train rows (ties: the smallest).
    Returns poi, category_id, category (null: none), latitude, longitude, sorted by poi. Disagreeing rows are remarked.
    names: of the POIs, for the remarks.
    """
    places = train.select("poi", "latitude", "longitude").group_by("poi", "latitude", "longitude").len()
    catalogue = _commonest(places, ["latitude", "longitude"])
    for column in ("category", "category_id"):
        told = train.filter(pl.col(column).is_not_null()).group_by("poi", column).len()
        catalogue = catalogue.join(_commonest(told, [column]), on="poi", how="left", maintain_order="left")
    catalogue = catalogue.sort("poi")
    joined = train.join(catalogue, on="poi", how="left", maintain_order="left", suffix="_chosen")
    far = ((pl.col("latitude") - pl.col("latitude_chosen")).abs() > 0.01) | (
        (pl.col("longitude") - pl.col("longitude_chosen")).abs() > 0.01
    )
    for condition, text in (
        (far, "place more than .01 degrees from the POI's usual one"),
        (pl.col("category") != pl.col("category_chosen"), "category other than the POI's usual one"),
        (pl.col("category").is_null(), "no category"),
    ):
        found = joined.filter(condition)
        report.add(
            "remarks",
            found.select("file", "line", reason=pl.lit(text), detail=names.gather(found["poi"]).cast(pl.String)),
        )
    return catalogue.select("poi", "category_id", "category", "latitude", "longitude")


def _commonest(counts: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    ranked = counts.sort("poi", "len", *columns, descending=[False, True, *[False] * len(columns)])
    return ranked.unique("poi", keep="first", maintain_order=True).select("poi", *columns)


def _epoch_day(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days
