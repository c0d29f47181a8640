"""Every source as blocks of checked check-ins (`clean.check_rows` says of what columns)."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from refinepoi.core.errors import DataError
from refinepoi.dataset.cities import simulate_cities
from refinepoi.dataset.clean import check_rows
from refinepoi.dataset.files import find_file, read_rows
from refinepoi.dataset.lbsn2vec import read_mat
from refinepoi.dataset.report import Report
from refinepoi.dataset.times import add_times
from refinepoi.dataset.venues import fill_in, read_venues

if TYPE_CHECKING:
    from refinepoi.dataset.file_spec import LbsnDataset, SplitDataset, TextDataset
    from refinepoi.dataset.spec import CityDataset

SPLIT_COLUMNS = {
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
SPLIT_TIME = "%Y-%m-%d %H:%M:%S%z"


def read_split(spec: "SplitDataset", report: Report) -> Iterator[pl.DataFrame]:
    """The published split in file order, with `split` (0, 1, 2) and `trajectory`; an id in two splits is one."""
    place = spec.located("path", spec.path) or Path()
    for split, name in enumerate(spec.names):
        archive = place.is_file()
        file = place if archive else find_file(place, name)
        if file is None:
            raise DataError(f"no {name} or {name}.gz in {place}")
        for found in read_rows(file, SPLIT_COLUMNS, member=name if archive else None):
            report.rows_read += found.total
            report.add("bad", found.bad)
            rows = found.rows.with_columns(split=pl.lit(split, pl.Int8))
            yield check_rows(add_times(rows, SPLIT_TIME, "utc", None), spec.cleaning, report)


def read_text(spec: "TextDataset", report: Report) -> Iterator[pl.DataFrame]:
    """One file by column mapping, with what the file of places tells."""
    columns = {key: name for key, name in spec.columns.model_dump().items() if name is not None}
    absent = [pl.lit("").alias(c) for c in ("category", "category_id", "latitude", "longitude") if c not in columns]
    place_file = spec.place_file()
    venues = read_venues(place_file, spec.places, report) if spec.places and place_file else None
    for file in spec.checkin_files():
        for found in read_rows(file, columns, spec.separator, spec.encoding, spec.header, spec.member):
            report.rows_read += found.total
            report.add("bad", found.bad)
            rows = found.rows.with_columns(*absent)
            if venues is not None and spec.places:
                rows = fill_in(rows, venues, spec.places.required, report)
            yield check_rows(add_times(rows, spec.time_format, spec.time_is, spec.timezone), spec.cleaning, report)


def read_lbsn(spec: "LbsnDataset", report: Report) -> Iterator[pl.DataFrame]:
    """A prepared city of LBSN2Vec: made-up weeks, places from the release's list."""
    files = spec.by_role()
    rows = read_mat(files["path"], spec.monday).with_columns(category=pl.lit(""))
    report.rows_read += rows.height
    rows = rows.with_columns(latitude=pl.lit(""), longitude=pl.lit(""))
    rows = fill_in(rows, read_venues(files["places.path"], spec.places, report), spec.places.required, report)
    yield check_rows(add_times(rows, "epoch", "utc", "0"), spec.cleaning, report)


def read_city(spec: "CityDataset", report: Report) -> Iterator[pl.DataFrame]:
    """The simulated check-ins, as text of no file: line n is check-in n."""
    rows = simulate_cities(spec.city, spec.seed, spec.cities, spec.vary)
    report.rows_read += rows.height
    offset = round(spec.city.utc_offset_hours * 60)
    rows = rows.with_columns(file=pl.lit("city"), line=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    rows = add_times(rows.with_columns(pl.col("time").cast(pl.String)), "epoch", "utc", str(offset))
    yield check_rows(rows, spec.cleaning, report)
