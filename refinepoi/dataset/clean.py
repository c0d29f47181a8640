"""Rows of text -> checked check-ins. Every row that cannot be used gets a reason and goes into the report.

Text is stripped and brought to Unicode NFC, so that two spellings of one name are one name. Order: time, then user,
then either the order of the files (`published`) or the row's own content, so that shuffled input gives the same result.
"""

from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from refinepoi.dataset.report import Report

if TYPE_CHECKING:
    from refinepoi.dataset.spec import CleaningSpec

TEXT = ("user", "poi", "category", "category_id", "trajectory")
UNKNOWN = "unknown"
SECONDS = 86_400


def check_rows(rows: pl.DataFrame, cleaning: "CleaningSpec", report: Report) -> pl.DataFrame:
    """
    rows: `file`, `line`, text columns user, poi, category, category_id (empty allowed), latitude, longitude and, parsed
    by `times.py`, `utc` and `local` (Int64 seconds, null with a `time_problem` text).
    Returns the good rows with latitude and longitude as Float64.
    """
    texts = [pl.col(c).str.strip_chars().str.normalize("NFC").fill_null("") for c in TEXT if c in rows.columns]
    rows = rows.with_columns(*texts)
    written = {c: pl.col(c).cast(pl.String).fill_null("") for c in ("latitude", "longitude")}
    rows = rows.with_columns(
        *(
            pl.col(c).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False).alias(f"{c}_value")
            for c in written
        )
    )
    latitude, longitude = pl.col("latitude_value"), pl.col("longitude_value")
    place = pl.format("{}, {}", written["latitude"], written["longitude"])
    earliest, latest = (_epoch_day(day) * SECONDS for day in (cleaning.earliest, cleaning.latest))
    rules: list[tuple[pl.Expr, str, pl.Expr]] = [
        (pl.col("user") == "", "no user", pl.lit("")),
        (pl.col("poi") == "", "no POI", pl.lit("")),
        (pl.col("trajectory") == "" if "trajectory" in rows.columns else pl.lit(False), "no trajectory", pl.lit("")),
        (pl.col("time_problem").is_not_null(), "", pl.col("time")),
        ((pl.col("utc") < earliest) | (pl.col("utc") >= latest), "time out of range", pl.col("time")),
        (latitude.is_null() | longitude.is_null(), "coordinate is no number", place),
        (latitude.is_nan() | longitude.is_nan(), "coordinate is NaN", place),
        (latitude.is_infinite() | longitude.is_infinite(), "coordinate is infinite", place),
        ((latitude.abs() > 90) | (longitude.abs() > 180), "coordinate out of range", place),
        ((latitude == 0) & (longitude == 0), "coordinate is (0, 0)", place),
    ]
    reason, detail = pl.lit(None, pl.String), pl.lit("")
    for condition, text, what in reversed(rules):
        reason = pl.when(condition).then(pl.lit(text) if text else pl.col("time_problem")).otherwise(reason)
        detail = pl.when(condition).then(what).otherwise(detail)
    rows = rows.with_columns(reason=reason, detail=detail)
    report.add("bad", rows.filter(pl.col("reason").is_not_null()).select("file", "line", "reason", "detail"))
    good = rows.filter(pl.col("reason").is_null())
    return good.with_columns(latitude=latitude, longitude=longitude).drop(
        "latitude_value", "longitude_value", "reason", "detail", "time", "time_problem"
    )


def put_in_order(rows: pl.DataFrame, published: bool) -> pl.DataFrame:
    """By time and user; visits of one user in one second in published order, or by content."""
    if published:
        return rows.sort("utc", "user", maintain_order=True)
    return rows.sort(
        "utc", "user", "poi", "latitude", "longitude", "category", "category_id", "local", maintain_order=True
    )


def drop_exact_duplicates(rows: pl.DataFrame, cleaning: "CleaningSpec", report: Report) -> pl.DataFrame:
    """The same user at the same POI in the same second. rows: in order."""
    again = pl.struct("user", "poi", "utc").is_first_distinct().not_()
    found = rows.filter(again)
    verb = "dropped" if cleaning.exact_duplicates == "drop" else "kept"
    report.add("duplicates", found.select("file", "line", reason=pl.lit(f"exact duplicate, {verb}")))
    return rows.filter(~again) if cleaning.exact_duplicates == "drop" else rows


def drop_near_duplicates(rows: pl.DataFrame, minutes: float, report: Report) -> pl.DataFrame:
    """A check-in less than `minutes` after the user's previous one, both at the same POI. rows: in order."""
    if not minutes:
        return rows
    same = pl.col("poi") == pl.col("poi").shift().over("user")
    soon = pl.col("utc").diff().over("user") < minutes * 60
    rows = rows.with_columns(near=(same & soon).fill_null(False))
    report.add("duplicates", rows.filter("near").select("file", "line", reason=pl.lit("near duplicate, dropped")))
    return rows.filter(~pl.col("near")).drop("near")


def one_place_a_poi(train: pl.DataFrame, report: Report) -> pl.DataFrame:
    """
    The catalogue: each POI's commonest place, category and category id among its train rows (ties: the smallest).
    Returns poi, category_id, category, latitude, longitude, sorted by poi. Disagreeing rows are remarked.
    """
    known = {c: pl.col(c) != "" for c in ("category", "category_id")}
    places = train.select("poi", "latitude", "longitude").group_by("poi", "latitude", "longitude").len()
    catalogue = _commonest(places, ["latitude", "longitude"])
    for column in ("category", "category_id"):
        names = train.filter(known[column]).group_by("poi", column).len()
        catalogue = catalogue.join(_commonest(names, [column]), on="poi", how="left", maintain_order="left")
    catalogue = catalogue.with_columns(pl.col("category", "category_id").fill_null(UNKNOWN)).sort("poi")
    joined = train.join(catalogue, on="poi", how="left", maintain_order="left", suffix="_chosen")
    far = ((pl.col("latitude") - pl.col("latitude_chosen")).abs() > 0.01) | (
        (pl.col("longitude") - pl.col("longitude_chosen")).abs() > 0.01
    )
    for condition, text in (
        (far, "place more than .01 degrees from the POI's usual one"),
        (
            known["category"] & (pl.col("category") != pl.col("category_chosen")),
            "category other than the POI's usual one",
        ),
        (~known["category"], "no category"),
    ):
        report.add(
            "remarks", joined.filter(condition).select("file", "line", reason=pl.lit(text), detail=pl.col("poi"))
        )
    return catalogue.select("poi", "category_id", "category", "latitude", "longitude")


def _commonest(counts: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    ranked = counts.sort("poi", "len", *columns, descending=[False, True, *[False] * len(columns)])
    return ranked.unique("poi", keep="first", maintain_order=True).select("poi", *columns)


def _epoch_day(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days
