"""The three sources, each ending in the same table of text rows, with times parsed (`clean.check_rows` says which)."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from refinepoi.core.errors import DataError
from refinepoi.dataset.city import simulate_city
from refinepoi.dataset.files import PUBLISHED, find_file, read_rows
from refinepoi.dataset.report import Report
from refinepoi.dataset.times import add_times

if TYPE_CHECKING:
    from refinepoi.dataset.spec import CityDataset, CsvDataset, NycDataset

NYC_COLUMNS = {
    "user": "user_id",
    "poi": "POI_id",
    "category_id": "POI_catid",
    "category": "POI_catname",
    "latitude": "latitude",
    "longitude": "longitude",
    "timezone": "timezone",
    "time": "UTC_time",
    "trajectory": "trajectory_id",
}
NYC_TIME = "%Y-%m-%d %H:%M:%S%z"


def read_nyc(spec: "NycDataset", report: Report) -> pl.DataFrame:
    """The published split in file order, with `split` (0, 1, 2) and `trajectory`."""
    parts = []
    for split, name in enumerate(PUBLISHED):
        file = find_file(Path(spec.path).expanduser(), name)
        if file is None:
            raise DataError(f"no {name} or {name}.gz in {spec.path}")
        found = read_rows(file, NYC_COLUMNS)
        report.rows_read += found.total
        report.add("bad", found.bad)
        parts.append(found.rows.with_columns(split=pl.lit(split, pl.Int8)))
    return add_times(pl.concat(parts), NYC_TIME, "utc", None)  # a trajectory of two splits is one (same id)


def read_csv(spec: "CsvDataset", report: Report) -> pl.DataFrame:
    """One file by column mapping."""
    columns = {key: name for key, name in spec.columns.model_dump().items() if name is not None}
    found = read_rows(Path(spec.path).expanduser(), columns, spec.separator, spec.encoding, spec.header)
    report.rows_read += found.total
    report.add("bad", found.bad)
    absent = [pl.lit("").alias(c) for c in ("category", "category_id") if c not in columns]
    return add_times(found.rows.with_columns(*absent), spec.time_format, spec.time_is, spec.timezone)


def read_city(spec: "CityDataset", report: Report) -> pl.DataFrame:
    """The simulated city's check-ins, as text of no file: line n is check-in n."""
    rows = simulate_city(spec.city, spec.seed)
    report.rows_read += rows.height
    offset = round(spec.city.utc_offset_hours * 60)
    rows = rows.with_columns(file=pl.lit("city"), line=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    return add_times(rows.with_columns(pl.col("time").cast(pl.String)), "epoch", "utc", str(offset))
