"""Profiles: what training check-ins say of each user, as text. Made by `refinepoi/profile`, read by prompts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.artifacts.files import read_json, require, write_json

TABLE = {
    "user": pl.Int32,  # row of Trajectories.users
    "since": pl.Int64,  # epoch seconds: queries from this moment on may be told this profile
    "text": pl.String,
}


@dataclass(frozen=True, eq=False)
class Profiles:
    """
    table: sorted by (user, since), each pair once. A user has a profile for each of some moments, or none.
    facts: kind, settings, counts; `causal`: whether each profile is made of check-ins before its `since` only.
    """

    table: pl.DataFrame
    facts: dict[str, Any]

    def __post_init__(self) -> None:
        require(self.table.schema == pl.Schema(TABLE), f"profiles: columns {dict(self.table.schema)}, expected {TABLE}")
        keys = self.table.select("user", "since")
        require(keys.equals(keys.unique().sort("user", "since")), "profiles: not sorted by user and since, or repeated")

    @classmethod
    def none(cls) -> Self:
        return cls(pl.DataFrame(schema=TABLE), {"kind": "off"})

    def rows_for(self, user: npt.NDArray[np.int64], utc: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The row of the latest profile of each user at each moment, -1 where there is none. user, utc: [n]."""
        if self.table.height == 0:
            return np.full(len(user), -1, np.int64)
        users, since = (self.table[name].to_numpy().astype(np.int64) for name in ("user", "since"))
        moments = np.unique(since)
        scale = len(moments) + 1
        keys = users * scale + np.searchsorted(moments, since) + 1  # ascending, as the table is sorted
        found = np.searchsorted(keys, user * scale + np.searchsorted(moments, utc, side="right"), side="right") - 1
        return np.where((found >= 0) & (users[found] == user), found, -1)

    def save(self, folder: Path) -> None:
        self.table.write_parquet(folder / "table.parquet")
        write_json(folder / "facts.json", self.facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(pl.read_parquet(folder / "table.parquet"), read_json(folder / "facts.json"))
