"""How a city moves, in a few figures: used to hold the simulated city against a real one (docs/city.md).

The figures of human mobility studies: share of returns, Zipf exponent of a person's places (Gonzalez et al. 2008),
growth of distinct places (Song et al. 2010), radius of gyration, jump lengths, hour profile; and two that matter for
ranking, how often the next place is a person's most visited one, plainly and among visits at the target's hour.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.earth import EARTH_KM

HOUR_WIDTH = 1.0
"""Standard deviation, in hours, of the kernel around the target's time of day."""


def figures(trajectories: Trajectories) -> dict[str, Any]:
    """All figures of a data set, as plain numbers; `hours` has 24 shares."""
    rows = trajectories.checkins.join(
        trajectories.pois.with_row_index("poi").select(pl.col("poi").cast(pl.Int32), "latitude", "longitude"),
        on="poi",
        maintain_order="left",
    )
    per_user = rows.group_by("user").agg(pl.len(), places=pl.col("poi").n_unique())
    lengths = rows.group_by("trajectory").len()["len"]
    radius = radius_of_gyration(rows)
    jumps = jump_lengths(rows)
    frequency, at_hour, target_returns = ranking_figures(trajectories)
    return {
        "checkins_per_user": _figure(per_user["len"].mean()),
        "places_per_user": _figure(per_user["places"].mean()),
        "trajectory_length": _figure(lengths.mean()),
        "return_share": _figure(return_share(rows)),
        "target_return_share": _figure(target_returns),
        "zipf_exponent": _figure(zipf_exponent(rows)),
        "place_growth": _figure(place_growth(rows)),
        "top_place_share": _figure(top_share(rows)),
        "poi_gini": _figure(gini(rows["poi"].value_counts()["count"].to_numpy())),
        "radius_km_median": _figure(np.median(radius)),
        "radius_km_p90": _figure(np.quantile(radius, 0.9)),
        "jump_km_median": _figure(np.median(jumps)),
        "jump_km_p90": _figure(np.quantile(jumps, 0.9)),
        "gap_hours_median": _figure(gap_hours(rows)),
        "weekend_share": _figure(((rows["local"] // 86_400 + 3) % 7 >= 5).mean()),
        "hours": [_figure(share) for share in hour_profile(rows)],
        "user_frequency_acc1": _figure(frequency),
        "hour_frequency_acc1": _figure(at_hour),
    }


def return_share(rows: pl.DataFrame) -> float:
    """Share of check-ins, a user's first aside, at a place where that user has been before."""
    first = rows.select(pl.struct("user", "poi").is_first_distinct()).to_series()
    users = rows["user"].n_unique()
    return 1 - (int(first.sum()) - users) / (rows.height - users)


def zipf_exponent(rows: pl.DataFrame, least: int = 50, ranks: int = 20) -> float:
    """Slope of log share against log rank of a person's places, mean over people with at least `least` check-ins."""
    counts = rows.group_by("user", "poi").len().filter(pl.col("len").sum().over("user") >= least)
    shares = counts.with_columns(
        share=pl.col("len") / pl.col("len").sum().over("user"),
        rank=pl.col("len").rank("ordinal", descending=True).over("user"),
    )
    users = shares["user"].n_unique()
    mean = shares.filter(pl.col("rank") <= ranks).group_by("rank").agg(pl.col("share").sum() / users).sort("rank")
    return -float(np.polyfit(np.log(mean["rank"].to_numpy()), np.log(mean["share"].to_numpy()), 1)[0])


def place_growth(rows: pl.DataFrame, least: int = 50) -> float:
    """mu of distinct places ~ n ** mu over a person's first `least` check-ins."""
    numbered = rows.with_columns(
        n=pl.int_range(1, pl.len() + 1).over("user"), new=pl.struct("user", "poi").is_first_distinct()
    ).filter(pl.len().over("user") >= least)
    mean = numbered.filter(pl.col("n") <= least).group_by("n").agg(pl.col("new").mean()).sort("n")
    places = mean["new"].to_numpy().cumsum()
    return float(np.polyfit(np.log(mean["n"].to_numpy()[4:]), np.log(places[4:]), 1)[0])


def top_share(rows: pl.DataFrame) -> float:
    """Mean share of a person's check-ins at their commonest place."""
    counts = rows.group_by("user", "poi").len()
    return float(np.mean((counts.group_by("user").agg(pl.col("len").max() / pl.col("len").sum()))["len"].to_numpy()))


def gini(counts: npt.NDArray[Any]) -> float:
    """Inequality of visits over places, 0 (equal) to 1."""
    ordered = np.sort(counts).astype(float)
    ranks = np.arange(1, len(ordered) + 1)
    return float((2 * ranks - len(ordered) - 1) @ ordered / (len(ordered) * ordered.sum()))


def radius_of_gyration(rows: pl.DataFrame) -> npt.NDArray[np.float64]:
    """km [users], root mean square distance of a person's check-ins from their centre."""
    x, y = pl.col("longitude") * pl.col("latitude").radians().cos(), pl.col("latitude")
    per_user = rows.select("user", x=x, y=y).group_by("user").agg(pl.col("x").var(ddof=0), pl.col("y").var(ddof=0))
    return np.sqrt((per_user["x"] + per_user["y"]).to_numpy()) * np.pi / 180 * EARTH_KM


def jump_lengths(rows: pl.DataFrame) -> npt.NDArray[np.float64]:
    """km between consecutive check-ins of a trajectory, jumps to the same place aside."""
    ordered = rows.sort("trajectory", "utc", maintain_order=True)
    a = ordered.select("trajectory", "poi", "latitude", "longitude").to_numpy()
    same, moved = a[1:, 0] == a[:-1, 0], a[1:, 1] != a[:-1, 1]
    north = a[1:, 2] - a[:-1, 2]
    east = (a[1:, 3] - a[:-1, 3]) * np.cos(np.radians(a[1:, 2]))
    km = np.hypot(north, east) * np.pi / 180 * EARTH_KM
    return np.asarray(km[same & moved], dtype=np.float64)


def gap_hours(rows: pl.DataFrame) -> float:
    """Median hours between consecutive check-ins of a trajectory."""
    gaps = (
        rows.sort("trajectory", "utc", maintain_order=True).select(pl.col("utc").diff().over("trajectory")).to_series()
    )
    return float(np.median(gaps.drop_nulls().to_numpy())) / 3600


def hour_profile(rows: pl.DataFrame) -> npt.NDArray[np.float64]:
    """Shares of check-ins by hour of the local clock, [24]."""
    counts = np.bincount((rows["local"] // 3600 % 24).to_numpy(), minlength=24)
    return counts / counts.sum()


def profile_distance(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Total variation distance of two profiles: 0 (equal) to 1."""
    return float(np.abs(np.asarray(one) - np.asarray(other)).sum() / 2)


def ranking_figures(trajectories: Trajectories) -> tuple[float, float, float]:
    """
    Over validation and test samples, with the whole history: Acc@1 of the most visited place (ties: the latest), Acc@1
    of the place most visited around the target's hour, and the share of targets visited before.
    """
    checkins = trajectories.checkins
    order = np.lexsort((checkins["utc"].to_numpy(), checkins["user"].to_numpy()))
    user, poi, utc, local = (checkins[c].to_numpy()[order] for c in ("user", "poi", "utc", "local"))
    starts = np.searchsorted(user, np.arange(trajectories.users.height + 1))
    hour = local % 86_400 / 3600
    asked = trajectories.queries.filter(pl.col("split") > 0)
    hits = np.zeros(3)
    for who, row, target in asked.select("user", "row", "target").iter_rows():
        now, begin = checkins["utc"][row], starts[who]
        end = begin + np.searchsorted(utc[begin : starts[who + 1]], now)
        places, inverse = np.unique(poi[begin:end], return_inverse=True)
        if not len(places):
            continue
        latest = np.zeros(len(places))
        np.maximum.at(latest, inverse, (utc[begin:end] - now) / 1e12 + 1e-3)
        away = np.abs(hour[begin:end] - checkins["local"][row] % 86_400 / 3600)
        kernel = np.exp(-0.5 * (np.minimum(away, 24 - away) / HOUR_WIDTH) ** 2)
        plain, near = np.bincount(inverse), np.bincount(inverse, weights=kernel)
        hits += (
            places[np.argmax(plain + latest)] == target,
            places[np.argmax(near + latest)] == target,
            target in places,
        )
    frequency, at_hour, returns = hits / asked.height
    return float(frequency), float(at_hour), float(returns)


def _figure(value: Any) -> float:
    return round(float(value), 4)
