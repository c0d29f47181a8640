"""From check-ins to split trajectories (docs/method.md section 4), each step a function of the table before it.

Keep POIs, then users, with enough check-ins; drop check-ins far in time from both neighbours; a long pause starts a new
trajectory; too short ones are dropped; split by global time. A trajectory that crosses the border of two splits stays
one. Departure: docs/method.md puts the split before the dropping (`split_rows: all`), the published NYC rows show it
after (`kept`). Rows are in order of time and user (`clean.put_in_order`).
"""

from typing import TYPE_CHECKING

import polars as pl

from refinepoi.core.errors import DataError

if TYPE_CHECKING:
    from refinepoi.dataset.spec import ProtocolSpec

HOUR = 3600


def keep_frequent(rows: pl.DataFrame, min_poi: int, min_user: int, passes: int) -> pl.DataFrame:
    """POIs, then users, with at least so many check-ins; `passes` rounds, 0: until nothing changes."""
    done = 0
    while not passes or done < passes:
        before = rows.height
        rows = rows.filter(pl.len().over("poi") >= min_poi)
        rows = rows.filter(pl.len().over("user") >= min_user)
        done += 1
        if rows.height == before:
            break
    return rows


def split_by_time(rows: pl.DataFrame, train_share: float, validation_share: float) -> pl.DataFrame:
    """Adds `split`: the first shares of all check-ins by time. Check-ins of one second stay in one split."""
    if not rows.height:
        return rows.with_columns(split=pl.lit(0, pl.Int8))
    times = rows["utc"].sort()
    borders = [
        times[min(round(share * rows.height), rows.height - 1)]
        for share in (train_share, train_share + validation_share)
    ]
    return rows.with_columns(split=sum((pl.col("utc") >= border).cast(pl.Int8) for border in borders))


def drop_isolated(rows: pl.DataFrame, hours: float) -> pl.DataFrame:
    """Drops check-ins more than `hours` from the user's check-ins before and after. 0: off."""
    if not hours:
        return rows
    gap = pl.col("utc").diff().over("user")
    following = -pl.col("utc").diff(-1).over("user")
    near = (gap <= hours * HOUR).fill_null(False) | (following <= hours * HOUR).fill_null(False)
    return rows.filter(near)


def cut_trajectories(rows: pl.DataFrame, gap_hours: float, min_length: int) -> pl.DataFrame:
    """Adds `trajectory` (text, unique over users): a pause longer than `gap_hours` starts a new one."""
    starts = (pl.col("utc").diff().over("user") > gap_hours * HOUR).fill_null(True)
    number = starts.cast(pl.Int64).cum_sum().over("user")
    rows = rows.with_columns(trajectory=pl.format("{}_{}", pl.col("user"), number))
    return rows.filter(pl.len().over("trajectory") >= min_length)


def apply_protocol(rows: pl.DataFrame, protocol: "ProtocolSpec", steps: "Steps") -> pl.DataFrame:
    """rows: in order, without duplicates. Adds `split` and `trajectory`."""
    rows = keep_frequent(rows, protocol.min_poi_checkins, protocol.min_user_checkins, protocol.passes)
    steps.add("frequent POIs and users", rows)
    if not rows.height:
        raise DataError(
            f"no check-in is left by protocol.min_poi_checkins={protocol.min_poi_checkins} and "
            f"protocol.min_user_checkins={protocol.min_user_checkins}; lower them"
        )
    shares = protocol.train_share, protocol.validation_share
    if protocol.split_rows == "all":
        rows = split_by_time(rows, *shares)
    rows = drop_isolated(rows, protocol.isolation_hours)
    steps.add("isolated check-ins dropped", rows)
    rows = cut_trajectories(rows, protocol.gap_hours, protocol.min_trajectory)
    steps.add("short trajectories dropped", rows)
    return rows if protocol.split_rows == "all" else split_by_time(rows, *shares)


class Steps:
    """The counts after each step, in order."""

    def __init__(self) -> None:
        self.counts: list[dict[str, str | int]] = []

    def add(self, step: str, rows: pl.DataFrame) -> None:
        self.counts.append(
            {"step": step, "checkins": rows.height, "users": rows["user"].n_unique(), "pois": rows["poi"].n_unique()}
        )
