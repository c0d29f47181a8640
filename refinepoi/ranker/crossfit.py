"""Scores for every query, none by a model that saw the query's own answer.

Validation and test queries are scored by a fit on training queries alone. A training query is scored by a fit on the
users of the other folds: by user, because a later query of the same user carries the earlier one's target in its
counters, and because neighbouring queries of one trajectory are near copies. No column names a user, so such scores are
distributed as those of validation.
"""

from collections.abc import Callable, Iterable
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


def folds_by_user(trajectories: Trajectories, folds: int, seed: int) -> Ints:
    """Fold of each query, [Q]: all queries of a user in one."""
    users = trajectories.queries["user"].to_numpy()
    return np.asarray(generator(seed, "folds").permutation(trajectories.users.height)[users] % folds)


def newest(queries: Ints, samples: int) -> Ints:
    """The last `samples` of queries in the order of time."""
    return queries[max(len(queries) - samples, 0) :]


def taught_by(trajectories: Trajectories, samples: int, ends: bool) -> Callable[[Ints], Ints]:
    """Which of some training queries a fit reads: the newest, and with `ends` the last one of every trajectory."""
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
    folds: int,
    seed: int,
    progress: Callable[[list[int]], Iterable[int]] = iter,
) -> tuple[Floats, M]:
    """
    [Q, C] scores, and the model of all training queries.

    fit: (evidence, query numbers, positions of their targets) -> model. views: the evidence for the fit without a fold,
    the same where no counter of it was fitted; that of number `folds` leaves out none. choose: as `taught_by`.
    """
    fold = folds_by_user(trajectories, folds, seed)
    train = trajectories.query_rows("train")
    rest = np.setdiff1d(np.arange(trajectories.queries.height), train)
    targets = trajectories.queries["target"].to_numpy()
    scores: Floats | None = None
    for number in progress([*range(folds), folds]):
        evidence = views(number)
        position = evidence.position(targets)
        scores = np.zeros(evidence.candidates.shape) if scores is None else scores
        taught = choose(train[fold[train] != number])  # no query is of fold `folds`
        asked = train[fold[train] == number] if number < folds else rest
        model = fit(evidence, taught, position[taught])
        scores[asked] = model.scores(evidence, asked)
    assert scores is not None
    return scores, model
