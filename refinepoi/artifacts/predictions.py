"""Predictions: a ranked list of POIs for each query. Made by `refinepoi/evaluation` and `refinepoi/baseline`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.artifacts.files import read_json, require, write_json

TABLE = {
    "method": pl.String,
    "query": pl.Int32,  # row of Trajectories.queries
    "rank": pl.Int32,  # 1 is best; ties of a ranker are not stored, see `expected_rank`
    "poi": pl.Int32,  # POI index; -1 for an invalid entry
    "score": pl.Float32,
}
RANKS = {
    "method": pl.String,
    "query": pl.Int32,
    "rank": pl.Float64,  # expected rank of the target (ties shared), infinity where it is not in the list
}
REASONING = {
    "method": pl.String,
    "query": pl.Int32,
    "text": pl.String,  # inside its block; null where the answer had none
    "tokens": pl.Int32,  # that the model wrote for it, marks included
    "forced": pl.Boolean,  # not closed by the model
}
FILE = "reasoning.parquet"


def no_reasoning() -> pl.DataFrame:
    """Lists alone were asked for."""
    return pl.DataFrame(schema=REASONING)


@dataclass(frozen=True, eq=False)
class Predictions:
    """
    table: the first places of every list (at most `facts["kept"]` ranks a query).
    ranks: the target's rank for every (method, query).
    facts: by method: list length over which ranks count, how the list was made.
    reasoning: what was written before each list; no rows where nothing was asked for.
    """

    table: pl.DataFrame
    ranks: pl.DataFrame
    facts: dict[str, Any]
    reasoning: pl.DataFrame = field(default_factory=no_reasoning)

    def __post_init__(self) -> None:
        require(
            self.table.schema == pl.Schema(TABLE), f"predictions: columns {dict(self.table.schema)}, expected {TABLE}"
        )
        require(self.ranks.schema == pl.Schema(RANKS), f"ranks: columns {dict(self.ranks.schema)}, expected {RANKS}")
        require(bool((self.ranks["rank"] >= 1).all()), "ranks: below 1")
        require(self.reasoning.schema == pl.Schema(REASONING), f"reasoning: columns {dict(self.reasoning.schema)}")

    def of(self, method: str) -> npt.NDArray[np.int64]:
        """Lists of one method as POI indices [n, k], queries in ascending order, -1 where a list is shorter."""
        rows = self.table.filter(pl.col("method") == method).sort("query", "rank")
        queries, inverse = np.unique(rows["query"].to_numpy(), return_inverse=True)
        lists = np.full((len(queries), int(rows["rank"].max() or 0)), -1, np.int64)  # type: ignore[arg-type]
        lists[inverse, rows["rank"].to_numpy() - 1] = rows["poi"].to_numpy()
        return lists

    def save(self, folder: Path) -> None:
        self.table.write_parquet(folder / "predictions.parquet")
        self.ranks.write_parquet(folder / "ranks.parquet")
        if self.reasoning.height:
            self.reasoning.write_parquet(folder / FILE)
        write_json(folder / "facts.json", self.facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(
            pl.read_parquet(folder / "predictions.parquet"),
            pl.read_parquet(folder / "ranks.parquet"),
            read_json(folder / "facts.json"),
            pl.read_parquet(folder / FILE) if (folder / FILE).exists() else no_reasoning(),
        )
