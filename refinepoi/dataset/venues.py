"""A file of places beside the check-ins: its categories (and coordinates) fill what the check-ins do not tell."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from refinepoi.dataset.files import read_rows
from refinepoi.dataset.report import Report

if TYPE_CHECKING:
    from refinepoi.dataset.file_spec import Places

TOLD = ("latitude", "longitude", "category", "category_id")


def read_venues(file: Path, spec: "Places", report: Report) -> pl.DataFrame:
    """poi and, as text, what the file tells of TOLD; the first row of a POI counts. Bad lines are remarks."""
    columns = {key: name for key, name in spec.columns.model_dump().items() if name is not None}
    told = dict(columns)
    if spec.category_format == "gowalla" and "category" in told:
        told.pop("category_id", None)  # the same column tells both
    parts = []
    for found in read_rows(file, told, spec.separator, spec.encoding, spec.header):
        report.add("remarks", found.bad.with_columns(pl.format("place file: {}", pl.col("reason")).alias("reason")))
        parts.append(found.rows.drop("file", "line"))
    venues = pl.concat(parts).with_columns(pl.all().str.strip_chars()).filter(pl.col("poi") != "")
    if spec.category_format == "gowalla" and "category" in told:
        text = pl.col("category").str.extract(r"^([^}]*)\}", 1)  # the first of them
        name = pl.coalesce(
            text.str.extract(r"'name':\s*'([^']*)'", 1), text.str.extract(r"""'name':\s*"([^"]*)\"""", 1)
        )
        venues = venues.with_columns(category=name, category_id=text.str.extract(r"/categories/(\d+)"))
    return venues.unique("poi", keep="first", maintain_order=True)


def fill_in(rows: pl.DataFrame, venues: pl.DataFrame, required: bool, report: Report) -> pl.DataFrame:
    """The rows with what the venues tell where they tell nothing themselves. `required`: others are left out."""
    told = [column for column in TOLD if column in venues.columns]
    named = venues.select("poi", *(pl.col(c).alias(f"{c}_told") for c in told), there=pl.lit(True))
    rows = rows.with_columns(pl.col("poi").str.strip_chars()).join(named, on="poi", how="left", maintain_order="left")
    if required:
        lost = rows.filter(pl.col("there").is_null())
        reason = pl.lit("POI that the place file does not name")
        report.add("left_out", lost.select("file", "line", reason=reason, detail=pl.col("poi").fill_null("")))
        rows = rows.filter(pl.col("there").is_not_null())
    own = {c: pl.col(c) if c in rows.columns else pl.lit("") for c in told}
    filled = (pl.when(own[c] == "").then(pl.col(f"{c}_told").fill_null("")).otherwise(own[c]).alias(c) for c in told)
    return rows.with_columns(*filled).drop("there", *(f"{c}_told" for c in told))
