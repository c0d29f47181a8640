"""From check-ins to split trajectories (docs/method.md section 4), each step a function of the table before it.

Keep POIs, then users, with enough check-ins; drop check-ins far in time from both neighbours; a long pause starts a new
trajectory; too short ones are dropped; split by global time or by user. A trajectory that crosses the border of two
splits stays one. Departure: docs/method.md puts the split before the dropping (`split_rows: all`), the published NYC
rows show it after (`kept`). Rows are in order of time and user (`clean.put_in_order`).
"""

from typing import TYPE_CHECKING

import polars as pl

from refinepoi.core.errors import DataError

if TYPE_CHECKING:
    from refinepoi.dataset.protocol_spec import ProtocolSpec

HOUR = 3600
TRAIN, VALIDATION, TEST = 0, 1, 2


def keep_frequent(rows: pl.DataFrame, min_poi: int, min_user: int, passes: int) -> pl.DataFrame:
    """POIs, then users, with at least so many check-ins; `passes` rounds, 0: until nothing changes."""
    done = 0
    while not passes or done < passes:
        before = rows.height
        for column, least in (("poi", min_poi), ("user", min_user)):
            enough = rows.group_by(column).len().filter(pl.col("len") >= least)
            rows = rows.join(enough, on=column, how="semi", maintain_order="left")
        done += 1
        if rows.height == before:
            break
    return rows


def split_by_time(rows: pl.DataFrame, train_share: float, validation_share: float) -> pl.DataFrame:
    """Adds `split`: the first shares of all check-ins by time. Check-ins of one second stay in one split."""
    if not rows.height:
        return rows.with_columns(split=pl.lit(TRAIN, pl.Int8))
    times = rows["utc"].sort()
    borders = [
        times[min(round(share * rows.height), rows.height - 1)]
        for share in (train_share, train_share + validation_share)
    ]
    return rows.with_columns(split=sum((pl.col("utc") >= border).cast(pl.Int8) for border in borders))


def split_by_user(rows: pl.DataFrame, unit: str) -> pl.DataFrame:
    """
    Adds `split`: of each user's visits (`last_visit`) or trajectories (`last_trajectory`) the last is for test, the one
    before for validation, the rest for training. A user with fewer than three of them is all training.
    """
    if unit == "last_visit":
        number, total = pl.int_range(pl.len()).over("user"), pl.len().over("user")
    else:
        number = (pl.col("trajectory").rle_id()).over("user")  # a user's trajectories follow one another in time
        total = number.max().over("user") + 1
    rows = rows.with_columns(left=(total - number).cast(pl.Int64), total=total.cast(pl.Int64))
    some = pl.col("total") >= 3
    split = pl.when(some & (pl.col("left") == 1)).then(TEST).when(some & (pl.col("left") == 2)).then(VALIDATION)
    return rows.with_columns(split=split.otherwise(TRAIN).cast(pl.Int8)).drop("left", "total")


def drop_isolated(rows: pl.DataFrame, hours: float) -> pl.DataFrame:
    """Drops check-ins more than `hours` from the user's check-ins before and after. 0: off."""
    if not hours:
        return rows
    gap = pl.col("utc").diff().over("user")
    following = -pl.col("utc").diff(-1).over("user")
    near = (gap <= hours * HOUR).fill_null(False) | (following <= hours * HOUR).fill_null(False)
    return rows.filter(near)


def cut_trajectories(rows: pl.DataFrame, gap_hours: float, min_length: int) -> pl.DataFrame:
    """Adds `trajectory` (UInt32, by user and time): a pause longer than `gap_hours` starts a new one."""
    ordered = rows.with_row_index("row").sort("user", maintain_order=True)
    starts = (pl.col("utc").diff() > gap_hours * HOUR) | (pl.col("user") != pl.col("user").shift())
    ordered = ordered.with_columns(trajectory=starts.fill_null(True).cast(pl.UInt32).cum_sum() - 1)
    length = ordered["trajectory"].value_counts(sort=False)
    kept = length.filter(pl.col("count") >= min_length).select("trajectory")
    return ordered.join(kept, on="trajectory", how="semi", maintain_order="left").sort("row").drop("row")


def apply_protocol(rows: pl.DataFrame, protocol: "ProtocolSpec", steps: "Steps") -> pl.DataFrame:
    """rows: in order, without duplicates. Adds `split` and `trajectory`."""
    rows = keep_frequent(rows, protocol.min_poi_checkins, protocol.min_user_checkins, protocol.passes)
    steps.add("frequent POIs and users", rows)
    if not rows.height:
        raise DataError(
            f"no check-in is left by dataset.protocol.min_poi_checkins={protocol.min_poi_checkins} and "
            f"dataset.protocol.min_user_checkins={protocol.min_user_checkins}; lower them"
        )
    shares = protocol.train_share, protocol.validation_share
    early = protocol.split == "time" and protocol.split_rows == "all"
    if early:
        rows = split_by_time(rows, *shares)
    rows = drop_isolated(rows, protocol.isolation_hours)
    steps.add("isolated check-ins dropped", rows)
    rows = cut_trajectories(rows, protocol.gap_hours, protocol.min_trajectory)
    steps.add("short trajectories dropped", rows)
    if not rows.height:
        raise DataError(
            f"no check-in is left by dataset.protocol.isolation_hours={protocol.isolation_hours:g} and "
            f"dataset.protocol.min_trajectory={protocol.min_trajectory} (trajectories end at pauses over "
            f"dataset.protocol.gap_hours={protocol.gap_hours:g}); lower min_trajectory"
        )
    if protocol.split != "time":
        return split_by_user(rows, protocol.split)
    return rows if early else split_by_time(rows, *shares)


class Steps:
    """The counts after each step, in order."""

    def __init__(self) -> None:
        self.counts: list[dict[str, str | int]] = []

    def add(self, step: str, rows: pl.DataFrame) -> None:
        self.counts.append(
            {"step": step, "checkins": rows.height, "users": rows["user"].n_unique(), "pois": rows["poi"].n_unique()}
        )
