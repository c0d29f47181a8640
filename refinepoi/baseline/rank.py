"""Rank: from scores of candidates to the lists and ranks of `Predictions`, and the cross-fitting of the logits.

The target's rank is over the whole catalogue: a target that is no candidate has rank infinity (reciprocal rank 0), ties
share their expected rank, and a count of 0 ties with every POI that is no candidate as well. Stored lists put the
evidence's own order between equals.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.predictions import RANKS, TABLE, Predictions
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.baseline.spec import TREES, TREES_REFIT, LogitSpec, Trees
from refinepoi.ranker import trees
from refinepoi.ranker.crossfit import folds_by_user, newest, taught_by
from refinepoi.ranker.logit import Floats, Ints, Logit, fit
from refinepoi.ranking import expected_rank


@dataclass
class Board:
    """Collects methods: their lists and the ranks of the targets."""

    trajectories: Trajectories
    evidence: Evidence
    kept: int
    tables: list[pl.DataFrame] = field(default_factory=list)
    ranks: list[pl.DataFrame] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)  # of fitted trees, by method

    def __post_init__(self) -> None:
        self.targets = self.trajectories.queries["target"].to_numpy()
        self.position = self.evidence.position(self.targets)

    def add(self, method: str, queries: Ints, scores: Floats, counts: bool) -> None:
        """queries: [n]; scores: [n, C] of their candidates; counts: a score of 0 means "never seen"."""
        candidates = self.evidence.candidates[queries]
        valid = candidates >= 0
        scores = np.where(valid, scores, -np.inf)
        rank = expected_rank(scores, self.position[queries], valid)
        if counts:
            own = np.take_along_axis(scores, np.maximum(self.position[queries], 0)[:, None], 1)[:, 0]
            rank += np.where(own == 0, (self.trajectories.pois.height - valid.sum(1)) / 2.0, 0.0)
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self.kept]
        lists = np.take_along_axis(np.where(valid, candidates, -1), order, 1)
        self._store(method, queries, lists, np.take_along_axis(scores, order, 1), rank)

    def add_fixed(self, method: str, queries: Ints, scores: Floats) -> None:
        """One ranking for all queries. scores: [P] of the whole catalogue."""
        rank = expected_rank(scores[None], np.zeros(1, np.int64))  # checks the scores
        order = np.argsort(-scores, kind="stable")[: self.kept]
        own = scores[self.targets[queries]]
        ascending = np.sort(scores)
        better = len(scores) - np.searchsorted(ascending, own, "right")
        equal = np.searchsorted(ascending, own, "right") - np.searchsorted(ascending, own, "left") - 1
        rank = 1.0 + better + equal / 2.0
        shape = (len(queries), len(order))
        self._store(method, queries, np.broadcast_to(order, shape), np.broadcast_to(scores[order], shape), rank)

    def _store(self, method: str, queries: Ints, lists: Ints, scores: Floats, rank: Floats) -> None:
        n, k = lists.shape
        keep = (lists >= 0).ravel()
        columns = {
            "method": np.full(n * k, method, object),
            "query": np.repeat(queries, k),
            "rank": np.tile(np.arange(1, k + 1), n),
            "poi": lists.ravel(),
            "score": scores.ravel(),
        }
        self.tables.append(
            pl.DataFrame({name: values[keep] for name, values in columns.items()}).cast(pl.Schema(TABLE))
        )
        ranks = {"method": np.full(n, method, object), "query": queries, "rank": rank}
        self.ranks.append(pl.DataFrame(ranks).cast(pl.Schema(RANKS)))

    def predictions(self) -> Predictions:
        facts = {"kept": self.kept, "methods": self.facts, "pois": self.trajectories.pois.height}
        return Predictions(pl.concat(self.tables), pl.concat(self.ranks), facts)


def add_logit(board: Board, method: str, spec: LogitSpec, folds: int, seed: int) -> Logit:
    """Fit on validation (and training) samples, rank test; rank validation by fits on the users of the other folds."""
    evidence, trajectories = board.evidence, board.trajectories
    counters = spec.counters or evidence.names
    train, validation, test = (trajectories.query_rows(split) for split in SPLITS)
    train = newest(train, spec.train_samples)
    fold = folds_by_user(trajectories, folds, seed)

    def fitted(rows: Ints) -> Logit:
        return fit(evidence, rows, board.position[rows], counters, spec.l2)

    scores = np.zeros((len(validation), evidence.candidates.shape[1]))
    for number in range(folds):
        held = fold[validation] == number
        if held.any():
            model = fitted(np.concatenate([train, validation[~held]]))
            scores[held] = model.scores(evidence, validation[held])
    model = fitted(np.concatenate([train, validation]))
    rows = np.concatenate([validation, test])
    board.add(method, rows, np.concatenate([scores, model.scores(evidence, test)]), counts=False)
    return model


def add_trees(board: Board, spec: Trees, threads: int) -> dict[str, trees.Trees]:
    """Fit on training queries, rank validation and test; with `refit` a row more, test by a fit on validation too."""
    train, validation, test = (board.trajectories.query_rows(split) for split in SPLITS)
    choose = taught_by(board.trajectories, spec.samples, spec.ends)

    def fitted(queries: Ints) -> trees.Trees:
        taught = choose(queries)
        return trees.fit(spec, board.evidence, taught, board.position[taught], threads)

    rows = np.concatenate([validation, test])
    models = {TREES: fitted(train)}
    scores = models[TREES].scores(board.evidence, rows)
    board.add(TREES, rows, scores, counts=False)
    if spec.refit:
        models[TREES_REFIT] = fitted(np.concatenate([train, validation]))
        scores[len(validation) :] = models[TREES_REFIT].scores(board.evidence, test)
        board.add(TREES_REFIT, rows, scores, counts=False)
    board.texts |= {method: model.text for method, model in models.items()}
    return models
