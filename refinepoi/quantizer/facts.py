"""What is known of each POI besides its vector, as numbers a person can read on a map: the component planes."""

import numpy as np
import polars as pl

from refinepoi.quantizer.cells import plain
from refinepoi.quantizer.winners import F64

TOP_CATEGORIES, TOP_DIMENSIONS = 4, 2


def place_facts(pois: pl.DataFrame, checkins: pl.DataFrame, vectors: np.ndarray) -> dict[str, F64]:
    """
    Name with unit -> float64 [P]. pois, checkins: of Trajectories; only training check-ins are counted, NaN for POIs
    without. vectors: float32 [P, D].
    """
    hour, weekday = (
        pl.col("local") // 3600 % 24,
        (pl.col("local") // 86400 + 4) % 7,
    )  # 1970-01-01 was a Thursday: 0 Sunday
    seen = (
        checkins.filter(pl.col("split") == 0)
        .group_by("poi")
        .agg(
            pl.len().log10().alias("visits, log10"),
            hour.is_between(5, 10).mean().alias("share of visits at 5-11 h"),
            hour.is_between(17, 22).mean().alias("share of visits at 17-23 h"),
            weekday.is_in([0, 6]).mean().alias("share of visits on weekends"),
        )
    )
    table = pl.DataFrame({"poi": np.arange(pois.height, dtype=np.int32)}).join(seen, on="poi", how="left").sort("poi")
    facts = {"latitude, °": pois["latitude"].to_numpy(), "longitude, °": pois["longitude"].to_numpy()}
    facts |= {name: table[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in table.columns[1:]}
    counts = pois["category"].value_counts().sort(["count", "category"], descending=[True, False])
    for name in counts["category"].head(TOP_CATEGORIES):
        facts[f"share of {plain(name)[:24]}"] = (pois["category"] == name).cast(pl.Float64).to_numpy()
    for column in range(min(TOP_DIMENSIONS, vectors.shape[1])):
        facts[f"embedding, dimension {column + 1}"] = vectors[:, column].astype(np.float64)
    return facts
