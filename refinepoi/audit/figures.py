"""What an audit counts: time ranges, targets in the history, oddities of places and clocks. Nothing here can fail."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from refinepoi.artifacts.trajectories import SPLITS, UNKNOWN, Trajectories
from refinepoi.core.earth import EARTH_KM

FAR_KM = 200.0
FASTEST_KMH = 1000.0
SMALL_HOURS = range(1, 7)
DECIMALS = 3
"""A place with fewer decimals than this in both coordinates is rounded to more than 100 m."""


def time_ranges(trajectories: Trajectories) -> list[dict[str, Any]]:
    """Of each split: first and last check-in, UTC, and how many days lie between."""
    ranges = []
    for number, split in enumerate(SPLITS):
        utc = trajectories.checkins.filter(pl.col("split") == number)["utc"].to_numpy()
        first, last = (f"{datetime.fromtimestamp(int(t), UTC):%Y-%m-%d %H:%M}" for t in (utc.min(), utc.max()))
        days = round(float(utc.max() - utc.min()) / 86_400, 1)
        ranges.append({"split": split, "first": first, "last": last, "days": days})
    return ranges


def targets_in_history(trajectories: Trajectories) -> list[dict[str, Any]]:
    """
    Of each split's samples: the share whose target stands in the user's earlier check-ins (`all`), in the earlier
    training check-ins and the trajectory so far (`train_prefix`), and was the user's last place before.
    """
    checkins = trajectories.checkins
    rows = checkins.with_row_index("row")
    asked = trajectories.queries.select("split", "user", "trajectory", "row", "target").with_columns(
        utc=checkins["utc"].gather(trajectories.queries["row"])
    )
    first = rows.group_by("user", "poi").agg(all=pl.col("utc").min())
    trained = rows.filter(pl.col("split") == 0).group_by("user", "poi").agg(trained=pl.col("utc").min())
    within = rows.group_by("trajectory", "poi").agg(within=pl.col("utc").min())
    asked = asked.join(first, left_on=["user", "target"], right_on=["user", "poi"], how="left")
    asked = asked.join(trained, left_on=["user", "target"], right_on=["user", "poi"], how="left")
    asked = asked.join(within, left_on=["trajectory", "target"], right_on=["trajectory", "poi"], how="left")
    order = rows.sort("user", "row").with_columns(before=pl.col("poi").shift().over("user"))
    asked = asked.join(order.select("row", "before"), on="row", how="left")
    earlier = {name: (pl.col(name) < pl.col("utc")).fill_null(False) for name in ("all", "trained", "within")}
    return [
        {
            "split": split,
            "samples": part.height,
            "all": _share(part, earlier["all"]),
            "train_prefix": _share(part, earlier["trained"] | earlier["within"]),
            "same_as_last": _share(part, (pl.col("before") == pl.col("target")).fill_null(False)),
        }
        for split, part in ((s, asked.filter(pl.col("split") == n)) for n, s in enumerate(SPLITS))
    ]


def oddities(trajectories: Trajectories) -> list[dict[str, Any]]:
    """Things to look at: name, count, what is counted."""
    pois, checkins = trajectories.pois, trajectories.checkins
    latitude, longitude = pois["latitude"].to_numpy(), pois["longitude"].to_numpy()
    middle = float(np.median(latitude)), float(np.median(longitude))
    far = kilometres(latitude, longitude, *middle) > FAR_KM
    swapped = kilometres(longitude, latitude, *middle) < FAR_KM
    rounded = np.all([np.abs(axis - axis.round(DECIMALS - 1)) < 1e-9 for axis in (latitude, longitude)], axis=0)
    shared = pois.group_by("latitude", "longitude").len().filter(pl.col("len") > 1)["len"].sum()
    offset = ((checkins["local"] - checkins["utc"]) / 3600).to_numpy()
    solar = longitude[checkins["poi"].to_numpy()] / 15
    hours = hour_shares(checkins["local"].to_numpy())
    quietest = int(hours.argmin())
    odd_night = int(quietest not in SMALL_HOURS)
    same = checkins.select(pl.struct("user", "poi", "utc").is_duplicated().sum()).item()
    second = checkins.select(pl.struct("user", "utc").is_duplicated().sum()).item()
    return [
        _remark("far places", far.sum(), f"places more than {FAR_KM:.0f} km from the median place"),
        _remark("swapped coordinates", (far & swapped).sum(), "of these, places that lie near it with axes swapped"),
        _remark("rounded places", rounded.sum(), f"places with fewer than {DECIMALS} decimals in both coordinates"),
        _remark("shared places", shared, "places whose coordinates another place has too"),
        _remark("impossible speed", too_fast(trajectories), f"moves of a person faster than {FASTEST_KMH:.0f} km/h"),
        _remark("equal visits", same, "check-ins of one user at one place in one second"),
        _remark("same second", second, "check-ins of one user in one second, at any place"),
        _remark(
            "tied targets", tied_targets(trajectories), "targets in the second of a user's row of an earlier split"
        ),
        _remark("distances from UTC", len(np.unique(offset)), "different distances of the local clock from UTC"),
        _remark("odd zone", (np.abs(offset - solar) > 3.5).sum(), "check-ins whose clock is 3.5 h off their longitude"),
        _remark("odd night", odd_night, f"the quietest hour is {quietest}{', not at night' if odd_night else ''}"),
        _remark("no category", (pois["category"] == UNKNOWN).sum(), "places without a category"),
    ]


def tied_targets(trajectories: Trajectories) -> int:
    """Targets that share their second with a check-in of the same user in an earlier split."""
    checkins = trajectories.checkins
    first = checkins.group_by("user", "utc").agg(first=pl.col("split").min())
    asked = checkins[trajectories.queries["row"]].join(first, on=["user", "utc"], how="left")
    return asked.filter(pl.col("first") < pl.col("split")).height


def too_fast(trajectories: Trajectories) -> int:
    """Moves between a person's consecutive check-ins faster than FASTEST_KMH (from 10 km on)."""
    rows = trajectories.checkins.sort("user", "utc", maintain_order=True)
    poi = rows["poi"].to_numpy()
    latitude, longitude = (trajectories.pois[c].to_numpy()[poi] for c in ("latitude", "longitude"))
    km = kilometres(latitude[1:], longitude[1:], latitude[:-1], longitude[:-1])
    hours = np.diff(rows["utc"].to_numpy()) / 3600
    return int(((np.diff(rows["user"].to_numpy()) == 0) & (km > 10) & (km > FASTEST_KMH * hours)).sum())


def hour_shares(local: "np.ndarray[Any, np.dtype[np.int64]]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Shares of check-ins by hour of the local clock, [24]."""
    counts = np.bincount(local // 3600 % 24, minlength=24)
    return counts / max(1, counts.sum())


def kilometres(latitude: Any, longitude: Any, latitude2: Any, longitude2: Any) -> "np.ndarray[Any, Any]":
    """Great-circle distances, finite and symmetric for all valid coordinates, over the antimeridian and poles too."""
    a, b, c, d = (np.radians(x) for x in (latitude, longitude, latitude2, longitude2))
    half = np.sin((a - c) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((b - d) / 2) ** 2
    return np.asarray(2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def _share(part: pl.DataFrame, condition: pl.Expr) -> float:
    return round(float(part.select(condition.mean()).item() or 0.0), 4)


def _remark(name: str, count: Any, meaning: str) -> dict[str, Any]:
    return {"name": name, "count": int(count or 0), "meaning": meaning}
