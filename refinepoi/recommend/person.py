"""One person's check-ins as a table of the kind the whole data has, its last row the visit that is asked for."""

from collections.abc import Sequence

import numpy as np

from refinepoi.artifacts.trajectories import CHECKINS, SPLITS, Trajectories
from refinepoi.evidence.world import Columns, columns_of
from refinepoi.recommend.clock import Moment
from refinepoi.recommend.visits import Visit

TRAIN, TEST = SPLITS.index("train"), SPLITS.index("test")
GAP_HOURS = 24.0
"""Where the data came already cut into trajectories (docs/method.md section 4)."""


class KnownPeople:
    """The visits of the run's own data, by the user's name there."""

    def __init__(self, trajectories: Trajectories) -> None:
        table = columns_of(trajectories)
        order = np.argsort(table["user"], kind="stable")  # each user's rows in order of time
        self._table = {name: values[order] for name, values in table.items()}
        self._start = np.searchsorted(self._table["user"], np.arange(trajectories.users.height + 1))
        self._row = {str(name): row for row, name in enumerate(trajectories.users["user_id"].to_list())}

    def __contains__(self, name: str) -> bool:
        return name in self._row

    def row(self, name: str) -> int:
        """Row of Trajectories.users."""
        return self._row[name]

    def before(self, name: str, utc: int) -> Columns:
        """Their check-ins strictly earlier than utc, in order of time."""
        row = self._row[name]
        mine = {column: values[self._start[row] : self._start[row + 1]] for column, values in self._table.items()}
        return {column: values[: np.searchsorted(mine["utc"], utc)] for column, values in mine.items()}


def one_person(visits: Sequence[Visit], earlier: Columns | None, when: Moment, gap_hours: float) -> Columns:
    """
    visits: in order of time. earlier: visits of the same person in the run's data; what stands in both counts once.

    A visit belongs to the trip it names, or else to the trip of the visit before it unless `gap_hours` or more lie
    between them; so does the visit that is asked for, the last row (its POI is a placeholder nobody sees).
    """
    new: Columns = {
        "poi": np.array([visit.found.poi for visit in visits], np.int64),
        "utc": np.array([visit.at.utc for visit in visits], np.int64),
        "local": np.array([visit.at.local for visit in visits], np.int64),
        "split": np.full(len(visits), TRAIN, np.int64),
        "trajectory": _named_trips(visits),
    }
    if earlier is not None:
        new = _joined(earlier, new)
    asked = {"poi": 0, "utc": when.utc, "local": when.local, "split": TEST, "trajectory": UNTOLD}
    table = {name: np.append(values, asked[name]) for name, values in new.items()}
    table["trajectory"] = _cut(table["trajectory"], table["utc"], gap_hours)
    table["user"] = np.zeros(len(visits if earlier is None else new["utc"]) + 1, np.int64)
    return {name: table[name] for name in CHECKINS}


UNTOLD = -1


def _named_trips(visits: Sequence[Visit]) -> np.ndarray:
    """Numbers that no trajectory of the data has; `UNTOLD` where a visit names none."""
    numbers: dict[str, int] = {}
    return np.array(
        [UNTOLD if v.trip is None else -2 - numbers.setdefault(v.trip, len(numbers)) for v in visits], np.int64
    )


def _joined(earlier: Columns, new: Columns) -> Columns:
    known = set(zip(earlier["utc"].tolist(), earlier["poi"].tolist(), strict=True))
    fresh = np.array(
        [pair not in known for pair in zip(new["utc"].tolist(), new["poi"].tolist(), strict=True)], np.bool_
    )
    both = {name: np.concatenate([earlier[name], values[fresh]]) for name, values in new.items()}
    order = np.argsort(both["utc"], kind="stable")
    return {name: values[order] for name, values in both.items()}


def _cut(trajectory: np.ndarray, utc: np.ndarray, gap_hours: float) -> np.ndarray:
    """Fill in `UNTOLD`: the trajectory before, or a new one after a gap."""
    filled = trajectory.copy()
    fresh = int(trajectory.max(initial=0)) + 1
    for row in np.flatnonzero(trajectory == UNTOLD):
        if row and utc[row] - utc[row - 1] <= gap_hours * 3600:
            filled[row] = filled[row - 1]
        else:
            filled[row], fresh = fresh, fresh + 1
    return filled
