"""The last step: indices for users, POIs and trajectories, the catalogue, the samples, the facts."""

from typing import Any

import numpy as np
import polars as pl

from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, SPLITS, UNKNOWN, Trajectories
from refinepoi.core.errors import DataError
from refinepoi.dataset.clean import Names, one_place_a_poi
from refinepoi.dataset.report import Report
from refinepoi.dataset.samples import activity


def assemble(
    rows: pl.DataFrame,
    names: Names,
    protocol: dict[str, Any],
    cuts: tuple[float, ...],
    report: Report,
    counts: dict[str, Any],
) -> Trajectories:
    """
    rows: in order, names as numbers (`clean.number_names`), with `split`, `trajectory` and `is_target`. Indices follow
    sorted names, not the input order; trajectories are counted as they begin.
    """
    pois = one_place_a_poi(rows.filter(pl.col("split") == 0), report, names["poi"])
    in_use = {"user": rows["user"].unique().sort(), "poi": pois["poi"]}
    index = {column: _positions(values) for column, values in in_use.items()}
    checkins = rows.select(
        pl.Series("user", index["user"][rows["user"].to_numpy()]),
        pl.Series("poi", index["poi"][rows["poi"].to_numpy()]),
        "utc",
        "local",
        pl.Series("trajectory", _as_they_begin(rows["trajectory"])),
        "split",
    ).cast(CHECKINS)  # type: ignore[arg-type]
    asked = checkins.with_row_index("row").filter(rows["is_target"]).sort("split", "row")
    queries = asked.select("split", "user", "trajectory", "row", target="poi").cast(QUERIES)  # type: ignore[arg-type]
    for number, split in enumerate(SPLITS):
        if not queries.filter(pl.col("split") == number).height:
            raise DataError(f"the {split} split has no samples; give more check-ins or loosen dataset.protocol")
    catalogue = pl.DataFrame(
        {
            "poi_id": names["poi"].gather(pois["poi"]),
            **{c: names[c].gather(pois[c]).fill_null(UNKNOWN) for c in ("category_id", "category")},
            "latitude": pois["latitude"],
            "longitude": pois["longitude"],
            "in_train": pl.Series([True]).new_from_index(0, pois.height),
        }
    ).select(list(POIS))
    users = pl.DataFrame({"user_id": names["user"].gather(in_use["user"])})
    users = users.with_columns(activity(checkins, users, cuts))
    counts = {
        **counts,
        "splits": split_counts(checkins, queries),
        "activity": np.bincount(users["activity"].to_numpy(), minlength=len(cuts) + 1).tolist(),
    }
    facts = {"protocol": protocol, "counts": counts, "report": report.facts()}
    return Trajectories(checkins, catalogue, users, queries, facts)


def split_counts(checkins: pl.DataFrame, queries: pl.DataFrame) -> dict[str, dict[str, int]]:
    counts = {}
    for number, split in enumerate(SPLITS):
        rows = checkins.filter(checkins["split"] == number)
        counts[split] = {
            "checkins": rows.height,
            "users": rows["user"].n_unique(),
            "pois": rows["poi"].n_unique(),
            "trajectories": rows["trajectory"].n_unique(),
            "samples": int((queries["split"] == number).sum()),
        }
    return counts


def _positions(values: pl.Series) -> np.ndarray[Any, np.dtype[np.int32]]:
    """number -> its place in the sorted `values`; the numbers in between are never asked for."""
    places = np.zeros(int(values.max() or 0) + 1, np.int32)  # type: ignore[arg-type]
    places[values.to_numpy()] = np.arange(values.len(), dtype=np.int32)
    return places


def _as_they_begin(trajectory: pl.Series) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Trajectories numbered by their first row, int32 [rows]."""
    first = trajectory.unique(maintain_order=True)
    places = np.zeros(int(trajectory.max() or 0) + 1, np.int32)  # type: ignore[arg-type]
    places[first.to_numpy()] = np.arange(first.len(), dtype=np.int32)
    return np.asarray(places[trajectory.to_numpy()])
