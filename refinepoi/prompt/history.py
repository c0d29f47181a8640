"""Which visits a query may see: strictly before its target, under the history setting the evidence was made with.

`all`: every earlier visit of the user. `train_prefix`: the user's training visits and the current trajectory so far.
There, training queries see a simulated blackout that the evidence drew (docs/method.md section 5); how many visits it
left is in `Evidence.context`, and since the oldest stay, that number says which.
Visits are numbered by their *place*: position in the order (user, utc, row).
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import SPLITS, UNKNOWN, Trajectories
from refinepoi.core.errors import UserError
from refinepoi.prompt.pieces import IntArray

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
    older: [Q] how many training visits of other trajectories a query sees under `train_prefix`: the oldest ones.
    """

    utc: IntArray
    local: IntArray
    poi: IntArray
    user: IntArray
    trajectory: IntArray
    train: npt.NDArray[np.bool_]
    category: IntArray
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
            raise UserError(f"evidence: history {history!r} or target_time {target_time!r} is not known to prompts")
        table = trajectories.checkins
        columns = {name: table[name].to_numpy().astype(np.int64) for name in table.columns}
        visits = _visits(columns, trajectories.queries["row"].to_numpy(), evidence)
        category = _category_numbers(trajectories)
        return cls(**visits, category=category, everything=history == "all", known=target_time == "known")

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
        places = np.arange(self.start[query], self.end[query])
        if self.everything:
            return places
        current = self.current(query, places)
        older = places[self.train[places] & ~current][: self.older[query]]
        return np.sort(np.concatenate([older, places[current]]))

    def current(self, query: int, places: IntArray) -> npt.NDArray[np.bool_]:
        """Which of `places` belong to the trajectory that the target continues."""
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
