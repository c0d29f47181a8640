"""Scores for every query, none by a model that saw the query's own answer.

Validation queries are scored by a fit on training queries alone, test queries by the same or (`refit`) by a fit on
training and validation. A training query is scored by a fit on the users of the other folds: by user, because a later
query of the same user carries the earlier one's target in its counters, and because neighbouring queries of one
trajectory are near copies. No column names a user, so such scores are distributed as those of validation.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.seeding import generator

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Model(Protocol):
    """What was fitted."""

    def scores(self, evidence: Evidence, queries: Ints) -> Floats:
        """[n, C]"""


M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Plan:
    """
    part: [Q] fold of the user of each training query (`train`), then one number for validation and one for test.
    rounds: of each fit the parts that teach it and the parts that it is asked, each asked once; the last is kept.
    """

    part: Ints
    train: frozenset[int]
    rounds: tuple[tuple[frozenset[int], frozenset[int]], ...]

    def queries(self, parts: Iterable[int]) -> Ints:
        """In the order of time."""
        return np.flatnonzero(np.isin(self.part, list(parts)))


def plan(trajectories: Trajectories, folds: int, seed: int, refit: bool) -> Plan:
    split = trajectories.queries["split"].to_numpy()
    part = np.where(split == 0, folds_by_user(trajectories, folds, seed), folds + split.astype(np.int64) - 1)
    train, validation, test = frozenset(range(folds)), frozenset([folds]), frozenset([folds + 1])
    held = [(train, validation), (train | validation, test)] if refit else [(train, validation | test)]
    return Plan(part, train, (*((train - {fold}, frozenset([fold])) for fold in range(folds)), *held))


def folds_by_user(trajectories: Trajectories, folds: int, seed: int) -> Ints:
    """Fold of each query, [Q]: all queries of a user in one."""
    users = trajectories.queries["user"].to_numpy()
    return np.asarray(generator(seed, "folds").permutation(trajectories.users.height)[users] % folds)


def newest(queries: Ints, samples: int) -> Ints:
    """The last `samples` of queries in the order of time."""
    return queries[max(len(queries) - samples, 0) :]


def taught_by(trajectories: Trajectories, samples: int, ends: bool) -> Callable[[Ints], Ints]:
    """Which of the queries that may teach it a fit reads: the newest, with `ends` the last of every trajectory too."""
    trajectory = trajectories.queries["trajectory"].to_numpy()

    def choose(queries: Ints) -> Ints:
        new = newest(queries, samples)
        if not ends:
            return new
        backwards = queries[::-1]
        return np.union1d(new, backwards[np.unique(trajectory[backwards], return_index=True)[1]])

    return choose


def cross_fit(
    fit: Callable[[Evidence, Ints, Ints], M],
    views: Callable[[int], Evidence],
    trajectories: Trajectories,
    choose: Callable[[Ints], Ints],
    plan: Plan,
    progress: Callable[[list[int]], Iterable[int]] = iter,
) -> tuple[Floats, M]:
    """
    [Q, C] scores, and the model of the last round.

    fit: (evidence, query numbers, positions of their targets) -> model. views: the evidence for each round, the same
    where no counter of it was fitted. choose: as `taught_by`.
    """
    targets = trajectories.queries["target"].to_numpy()
    scores: Floats | None = None
    for number in progress(list(range(len(plan.rounds)))):
        evidence = views(number)
        position = evidence.position(targets)
        scores = np.zeros(evidence.candidates.shape) if scores is None else scores
        taught, asked = (plan.queries(parts) for parts in plan.rounds[number])
        taught = choose(taught)
        model = fit(evidence, taught, position[taught])
        scores[asked] = model.scores(evidence, asked)
    assert scores is not None
    return scores, model
