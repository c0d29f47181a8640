"""Which visits a query may see: strictly before its target, under the history setting the evidence was made with.

`all`: every earlier visit of the user. `train_prefix`: the user's training visits and the current trajectory so far.
There, training queries see a simulated blackout that the evidence drew (docs/method.md section 5); how many visits it
left is in `Evidence.context`, and since the oldest stay, that number says which. Prompts show these visits, rankers
learn from them.
Visits are numbered by their *place*: position in the order (user, utc, row).
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.places import unit_vectors
from refinepoi.artifacts.trajectories import SPLITS, UNKNOWN, Trajectories
from refinepoi.core.errors import UserError

IntArray = npt.NDArray[np.int64]
VISIBLE, PREFIX = "history_visits", "prefix_length"  # columns of Evidence.context


@dataclass(frozen=True)
class Asked:
    """A query, the places of the visits it may see in time order, and the POI the user is at (-1: none is known)."""

    query: int
    visible: IntArray
    here: int


@dataclass(frozen=True)
class History:
    """
    utc, local, poi, user, trajectory, train: [N], visits by place.
    place: [Q] the place of each query's target.
    start, end: [Q] places from the user's first visit to the last one before the target (end excluded).
    category: [P] a number for the category of each POI, -1 where it is unknown.
    located: [P, 3] unit vectors of the POIs.
    older: [Q] how many training visits of other trajectories a query sees under `train_prefix`: the oldest ones.
    """

    utc: IntArray
    local: IntArray
    poi: IntArray
    user: IntArray
    trajectory: IntArray
    train: npt.NDArray[np.bool_]
    category: IntArray
    located: npt.NDArray[np.float64]
    place: IntArray
    start: IntArray
    end: IntArray
    older: IntArray
    everything: bool
    known: bool

    @classmethod
    def of(cls, trajectories: Trajectories, evidence: Evidence) -> Self:
        history, target_time = evidence.facts.get("history"), evidence.facts.get("target_time")
        if history not in ("all", "train_prefix") or target_time not in ("known", "hidden"):
            raise UserError(f"evidence: history {history!r} or target_time {target_time!r} is not known")
        table = trajectories.checkins
        columns = {name: table[name].to_numpy().astype(np.int64) for name in table.columns}
        visits = _visits(columns, trajectories.queries["row"].to_numpy(), evidence)
        category = _category_numbers(trajectories)
        located = unit_vectors(trajectories.pois)
        everything, known = history == "all", target_time == "known"
        return cls(**visits, category=category, located=located, everything=everything, known=known)

    def about(self, columns: dict[str, IntArray], rows: IntArray, evidence: Evidence) -> Self:
        """
        The same settings and catalogue about other visits. columns: as in `CHECKINS`, sorted by utc; rows: [Q] the
        targets among them; evidence: of these Q queries.
        """
        return replace(self, **_visits(columns, rows, evidence))

    @property
    def known_until(self) -> IntArray:
        """[Q], epoch seconds: what is told of a query's user must be of before. int64.

        The target's time; under `train_prefix` right after the last visit before the blackout, and the least int64
        where it left none.
        """
        if self.everything:
            return self.utc[self.place]
        train = np.flatnonzero(self.train)
        last = np.searchsorted(train, self.start) + self.older - 1  # the oldest stay
        return np.where(self.older > 0, self.utc[train[np.maximum(last, 0)]] + 1, np.iinfo(np.int64).min)

    def ask(self, query: int) -> Asked:
        visible = self.visible(query)
        return Asked(query, visible, int(self.poi[visible[-1]]) if len(visible) else -1)

    def visible(self, query: int) -> IntArray:
        """Places of the visits the query may see, in time order."""
        return self.pairs(np.array([query]))[1]

    def pairs(self, queries: IntArray) -> tuple[IntArray, IntArray]:
        """
        Of queries [m] the pairs (0 .. m - 1, place of a visit it may see), each [n], by query, then time.
        """
        start, count = self.start[queries], self.end[queries] - self.start[queries]
        first = np.cumsum(count) - count
        asked = np.repeat(np.arange(len(queries)), count)
        place = np.arange(len(asked)) + (start - first)[asked]
        if self.everything:
            return asked, place
        current = self.current(queries[asked], place)
        older = self.train[place] & ~current
        seen = np.concatenate([[0], np.cumsum(older)])
        older &= seen[:-1] - seen[first][asked] < self.older[queries][asked]
        return asked[older | current], place[older | current]

    def current(self, query: int | IntArray, places: IntArray) -> npt.NDArray[np.bool_]:
        """Which of `places` belong to the trajectory that the target continues, of one query or one each."""
        return self.trajectory[places] == self.trajectory[self.place[query]]


def _visits(columns: dict[str, IntArray], rows: IntArray, evidence: Evidence) -> dict[str, Any]:
    """The fields of a History that say who went where, and what each query may see of it."""
    order = np.lexsort((columns["utc"], columns["user"]))  # stable: ties keep the row order
    sorted_ = {name: values[order] for name, values in columns.items()}
    place_of_row = np.empty(len(order), np.int64)
    place_of_row[order] = np.arange(len(order))
    user, utc = sorted_["user"], sorted_["utc"]
    place = place_of_row[rows]
    new_user = _first_of_run(user[1:] != user[:-1])
    new_moment = _first_of_run((user[1:] != user[:-1]) | (utc[1:] != utc[:-1]))
    return {
        "utc": utc,
        "local": sorted_["local"],
        "poi": sorted_["poi"],
        "user": user,
        "trajectory": sorted_["trajectory"],
        "train": sorted_["split"] == SPLITS.index("train"),
        "place": place,
        "start": new_user[place],
        "end": new_moment[place],
        "older": _older(evidence),
    }


def _category_numbers(trajectories: Trajectories) -> IntArray:
    names = trajectories.pois["category"].to_numpy()
    return np.where(names == UNKNOWN, -1, np.unique(names, return_inverse=True)[1]).astype(np.int64)


def _first_of_run(changed: npt.NDArray[np.bool_]) -> IntArray:
    """For each place the first place of its run. changed: [N-1], whether place i+1 begins another run."""
    starts = np.concatenate([[True], changed])
    return np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0))


def _older(evidence: Evidence) -> IntArray:
    if evidence.facts["history"] == "all":
        return np.zeros(len(evidence.context), np.int64)
    missing = {VISIBLE, PREFIX} - set(evidence.context_names)
    if missing:
        raise UserError(f"evidence: history train_prefix needs {sorted(missing)} in its context")
    visible, prefix = (evidence.context[:, evidence.context_names.index(name)] for name in (VISIBLE, PREFIX))
    return (visible - prefix).astype(np.int64)
