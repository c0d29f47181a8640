"""When profiles are made, and of which check-ins: of training, of one user, before a moment."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.trajectories import SPLITS, Trajectories

IntArray = npt.NDArray[np.int64]
DAY = 86400
ALWAYS = int(np.iinfo(np.int64).min)
"""`since` of a profile that every query is told."""


@dataclass(frozen=True)
class Moment:
    """A user's training check-ins before `since`, in time order. poi: POI index; utc, local: seconds. All [n]."""

    user: int
    since: int
    poi: IntArray
    utc: IntArray
    local: IntArray


def moments(trajectories: Trajectories, refresh_days: int | None, least: int) -> Iterator[Moment]:
    """Every moment at which a user's profile is made, by user and time.

    With `refresh_days`: that many days apart, where the user checked in since the moment before, and right after the
    last training check-in. A query at or after `since` thus sees nothing but its past. `least`: check-ins it takes.
    """
    table = trajectories.checkins
    train = np.flatnonzero(table["split"].to_numpy() == SPLITS.index("train"))
    columns = {name: table[name].to_numpy()[train].astype(np.int64) for name in ("user", "utc", "poi", "local")}
    order = np.lexsort((columns["utc"], columns["user"]))
    user, utc, poi, local = (columns[name][order] for name in ("user", "utc", "poi", "local"))
    start = int(utc.min()) if len(utc) else 0
    for mine in np.split(np.arange(len(user)), np.flatnonzero(np.diff(user)) + 1):
        if len(mine) == 0:
            continue
        times, who = utc[mine], int(user[mine[0]])
        if refresh_days is None:
            ends = [(ALWAYS, len(mine))] if len(mine) >= least else []
        else:
            ends = _ends(times, start, refresh_days * DAY, least)
        for since, end in ends:
            rows = mine[:end]
            yield Moment(who, since, poi[rows], utc[rows], local[rows])


def _ends(times: IntArray, start: int, step: int, least: int) -> list[tuple[int, int]]:
    """(since, check-ins before it). times: [n] of one user, ascending."""
    last = int(times[-1]) + 1
    grid = [*range(start + step, last, step), last]
    ends = np.searchsorted(times, grid).tolist()
    before = [0, *ends[:-1]]
    return [(since, end) for since, end, old in zip(grid, ends, before, strict=True) if end >= least and end > old]
