"""Trajectories: cleaned check-ins, split, with the samples (queries) of the protocol. Made by `refinepoi/dataset`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from refinepoi.artifacts.files import read_json, require, write_json

SPLITS = ("train", "validation", "test")
UNKNOWN = "unknown"
"""Category of a POI that the data gives none."""

CHECKINS = {
    "user": pl.Int32,  # row of `users`
    "poi": pl.Int32,  # row of `pois`
    "utc": pl.Int64,  # epoch seconds
    "local": pl.Int64,  # seconds of the local wall clock, counted as if it were UTC: hour = local // 3600 % 24
    "trajectory": pl.Int32,
    "split": pl.Int8,  # index into SPLITS
}
POIS = {
    "poi_id": pl.String,
    "category_id": pl.String,
    "category": pl.String,
    "latitude": pl.Float64,
    "longitude": pl.Float64,
    "in_train": pl.Boolean,
}
QUERIES = {
    "split": pl.Int8,
    "user": pl.Int32,
    "trajectory": pl.Int32,
    "row": pl.Int32,  # row of `checkins` that is the target
    "target": pl.Int32,  # row of `pois`
}


@dataclass(frozen=True, eq=False)
class Trajectories:
    """
    checkins: one row a visit, sorted by (utc, user, original order); only POIs of `pois` and users of `users`.
    pois: the catalogue; the row number is the POI's index everywhere. Only POIs seen in training, or (`in_train` false)
        those of a test city behind them.
    users: `user_id` as text and `activity` (Int8, group by training trajectories, 0 = least active); the row number is
        the user's index.
    queries: one row a sample, sorted by (split, row). Train queries too; the query's number is its row.
    facts: protocol {dataset, split, samples, ...}, counts, report of what cleaning did; of the embedded city also
        `oracle`, the best that can be expected there.
    """

    checkins: pl.DataFrame
    pois: pl.DataFrame
    users: pl.DataFrame
    queries: pl.DataFrame
    facts: dict[str, Any]

    def __post_init__(self) -> None:
        for name, frame, schema in (
            ("checkins", self.checkins, CHECKINS),
            ("pois", self.pois, POIS),
            ("queries", self.queries, QUERIES),
        ):
            require(frame.schema == pl.Schema(schema), f"{name}: columns {dict(frame.schema)}, expected {schema}")
            require(frame.null_count().sum_horizontal().sum() == 0, f"{name}: holds nulls")
        for column, rows in (("user", self.users.height), ("poi", self.pois.height)):
            values = self.checkins[column].to_numpy()
            bad = np.flatnonzero((values < 0) | (values >= rows))
            require(bad.size == 0, f"checkins row {bad[:1]}: {column} outside 0..{rows - 1}")
        require(bool((np.diff(self.checkins["utc"].to_numpy()) >= 0).all()), "checkins: not sorted by utc")
        targets = self.checkins["poi"].to_numpy()[self.queries["row"].to_numpy()]
        bad = np.flatnonzero(targets != self.queries["target"].to_numpy())
        require(bad.size == 0, f"queries row {bad[:1]}: target is not the POI of its check-in")

    def query_rows(self, split: str) -> np.ndarray:
        """Query numbers of a split, int64 [n]."""
        return np.flatnonzero(self.queries["split"].to_numpy() == SPLITS.index(split))

    def save(self, folder: Path) -> None:
        for name in ("checkins", "pois", "users", "queries"):
            getattr(self, name).write_parquet(folder / f"{name}.parquet")
        write_json(folder / "facts.json", self.facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        frames = {n: pl.read_parquet(folder / f"{n}.parquet") for n in ("checkins", "pois", "users", "queries")}
        return cls(**frames, facts=read_json(folder / "facts.json"))
