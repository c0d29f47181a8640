"""LBSN2Vec's prepared cities, `dataset_connected_CITY.mat` (Yang et al., WWW 2019).

`selected_checkins` [n, 4]: user, hour of the week (1-168), venue, category, counted from 1; `selected_venue_IDs` gives
the Foursquare id of a venue. The file holds neither dates nor places. Places come from `raw_POIs.txt` of the same
release. Dates are made up: the order of a user's rows is taken as the order of time, a new week begins where the hour
falls back, and rows of one hour are a second apart, so that they keep their order. The clock is local; UTC is set equal
to it. So gaps and the order between users mean little here: split by user (`dataset/protocol=leave_one_out`, the
option's default).
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.core.errors import DataError

HOURS = 168
WANTED = ("selected_checkins", "selected_users_IDs", "selected_venue_IDs")


def read_mat(file: Path, monday: str) -> pl.DataFrame:
    """file, line (row of the matrix, from 1), user, poi, category_id, time (epoch seconds): text but for line."""
    from scipy.io import loadmat

    try:
        content = loadmat(file, variable_names=WANTED, squeeze_me=True)
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise DataError(f"{file}: cannot be read as a MATLAB file ({type(error).__name__}: {error})") from error
    missing = [name for name in WANTED if name not in content]
    if missing:
        raise DataError(f"{file}: no {', '.join(missing)}; give a dataset_connected_*.mat of LBSN2Vec")
    table = np.atleast_2d(np.asarray(content["selected_checkins"]))
    if table.shape[-1] != 4 or not np.issubdtype(table.dtype, np.number):
        raise DataError(f"{file}: selected_checkins is {table.dtype} {table.shape}, expected numbers [n, 4]")
    user, hour, venue, category = table.astype(np.int64).T
    users, venues = _texts(content["selected_users_IDs"]), _texts(content["selected_venue_IDs"])
    begin = int(datetime.fromisoformat(f"{monday}T00:00:00+00:00").timestamp())
    return pl.DataFrame(
        {
            "line": np.arange(1, len(table) + 1),
            "user": _named(users, user),
            "poi": _named(venues, venue),
            "category_id": category.astype(str),
            "time": np.where((hour >= 1) & (hour <= HOURS), (begin + made_up(user, hour)).astype(str), "no hour"),
        }
    ).with_columns(file=pl.lit(file.name))


def made_up(user: npt.NDArray[np.int64], hour: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Seconds since the first Monday, [n]: weeks pass where a user's hour of the week falls back."""
    order = np.argsort(user, kind="stable")
    new_user = np.diff(user[order], prepend=-1) != 0
    falls = (np.diff(hour[order], prepend=0) < 0) & ~new_user
    week = np.cumsum(falls)
    week -= np.maximum.accumulate(np.where(new_user, week, 0))
    begin = (week * HOURS + hour[order] - 1) * 3600
    rows = np.arange(len(user))
    new_hour = new_user | (np.diff(begin, prepend=-1) != 0)
    behind = rows - np.maximum.accumulate(np.where(new_hour, rows, 0))
    seconds = np.empty(len(user), np.int64)
    seconds[order] = begin + np.minimum(behind, 3599)
    return seconds


def _texts(values: Any) -> list[str]:
    return [str(np.asarray(value).item()) if np.asarray(value).size == 1 else "" for value in np.atleast_1d(values)]


def _named(names: list[str], index: npt.NDArray[np.int64]) -> list[str]:
    return [names[i - 1] if 1 <= i <= len(names) else "" for i in index.tolist()]
