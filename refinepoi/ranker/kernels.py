"""Learned kernels between evidence and trees: fitted, cross-fitted, their probability joined to the counters."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.history import History
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.ranker.crossfit import folds_by_user, newest
from refinepoi.ranker.spec import KERNELS, DeepSetsKernels

if TYPE_CHECKING:
    from refinepoi.ranker.network import DeepSets

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
WEIGHTS = "kernels.safetensors"


@dataclass(frozen=True)
class Kernels:
    """network: float32, None where there was nothing to fit on."""

    spec: DeepSetsKernels
    network: "DeepSets | None"

    def scores(self, history: History, evidence: Evidence, queries: Ints) -> Floats:
        """[n, C] probability of each candidate among the places visited, 0 where it was not."""
        from refinepoi.ranker.network import chances, restored

        candidates = evidence.candidates[queries]
        if self.network is None:
            return np.zeros(candidates.shape)
        exact = restored(self.spec, self.network.state_dict()).double()
        return chances(exact, history, queries, candidates, self.spec.visits)

    def join(self, history: History, evidence: Evidence) -> Evidence:
        """The evidence with `KERNELS` behind its counters."""
        return joined(evidence, self.scores(history, evidence, np.arange(len(evidence.candidates))))

    def save(self, folder: Path) -> dict[str, Any]:
        """What `load` is to be told."""
        from safetensors.torch import save_file

        if self.network is not None:
            save_file(self.network.state_dict(), folder / WEIGHTS)
        return self.spec.model_dump(mode="json") | {"fitted": self.network is not None}

    @classmethod
    def load(cls, folder: Path, facts: dict[str, Any]) -> Self:
        from safetensors.torch import load_file

        from refinepoi.ranker.network import restored

        spec = DeepSetsKernels.model_validate({name: facts[name] for name in DeepSetsKernels.model_fields})
        return cls(spec, restored(spec, load_file(folder / WEIGHTS)) if facts["fitted"] else None)


def learn(
    spec: DeepSetsKernels,
    evidence: Evidence,
    trajectories: Trajectories,
    folds: int,
    seed: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> tuple[list[Floats], Kernels]:
    """
    [Q, C] scores for the trees without each fold, and last for those of all; and the fit of all training queries.

    Trees that score a fold must not know its answers, so no kernels that they read may know them either: those beside
    fold k have seen neither k nor the fold they score. Queries that the trees in question never read have zeros.
    """
    from refinepoi.ranker.network import fit

    history, target = History.of(trajectories, evidence), trajectories.queries["target"].to_numpy().astype(np.int64)
    train, fold = trajectories.query_rows("train"), folds_by_user(trajectories, folds, seed)
    rest = np.setdiff1d(np.arange(trajectories.queries.height), train)
    scores = [np.zeros(evidence.candidates.shape, np.float32) for _ in range(folds + 1)]
    unseen = [{j, k} for k in range(folds) for j in range(k + 1)] + [set[int]()]
    ticks = iter(progress(range(len(unseen) * spec.epochs)))
    for left_out in unseen:
        taught = newest(train[~np.isin(fold[train], list(left_out))], spec.samples)
        epochs = (step % spec.epochs for step in islice(ticks, spec.epochs))
        kernels = Kernels(spec, fit(spec, history, taught, target[taught], epochs))
        for j in left_out:
            asked = train[fold[train] == j]
            found = kernels.scores(history, evidence, asked)
            for number in (left_out - {j}) or {j, folds}:
                scores[number][asked] = found
    scores[folds][rest] = kernels.scores(history, evidence, rest)
    for _ in ticks:  # where there was nothing to fit on
        pass
    return scores, kernels


def joined(evidence: Evidence, scores: Floats) -> Evidence:
    """scores: [Q, C] probabilities. Behind the counters: each, and as a part of the query's best."""
    scores = scores.astype(np.float32)
    best = scores.max(1, keepdims=True, initial=0.0)
    lead = np.divide(scores, best, out=np.zeros_like(scores), where=best > 0)
    own = np.stack([scores, lead], 2)
    return replace(
        evidence,
        counters=np.concatenate([evidence.counters, own], 2),
        names=(*evidence.names, *KERNELS),
        facts=evidence.facts | {"probabilities": KERNELS},
    )
