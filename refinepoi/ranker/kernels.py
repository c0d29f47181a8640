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
from refinepoi.ranker.crossfit import Plan, newest
from refinepoi.ranker.spec import KERNELS, DeepSetsKernels

if TYPE_CHECKING:
    from refinepoi.ranker.network import DeepSets

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
WEIGHTS = "kernels.safetensors"


@dataclass(frozen=True)
class Kernels:
    """networks: float32, none where there was nothing to fit on."""

    spec: DeepSetsKernels
    networks: "tuple[DeepSets, ...]"

    def scores(self, history: History, evidence: Evidence, queries: Ints) -> Floats:
        """[n, C] probability of each candidate among the places visited, 0 where it was not."""
        from refinepoi.ranker.network import chances, restored

        candidates = evidence.candidates[queries]
        if not self.networks:
            return np.zeros(candidates.shape)
        exact = [restored(self.spec, network.state_dict()).double() for network in self.networks]
        return chances(exact, history, queries, candidates, self.spec.visits)

    def join(self, history: History, evidence: Evidence) -> Evidence:
        """The evidence with `KERNELS` behind its counters."""
        return joined(evidence, self.scores(history, evidence, np.arange(len(evidence.candidates))))

    def save(self, folder: Path) -> dict[str, Any]:
        """What `load` is to be told."""
        from safetensors.torch import save_file

        weights = {f"{n}.{name}": w for n, one in enumerate(self.networks) for name, w in one.state_dict().items()}
        if weights:
            save_file(weights, folder / WEIGHTS)
        return self.spec.model_dump(mode="json") | {"fitted": len(self.networks)}

    @classmethod
    def load(cls, folder: Path, facts: dict[str, Any]) -> Self:
        from safetensors.torch import load_file

        from refinepoi.ranker.network import restored

        spec = DeepSetsKernels.model_validate({name: facts[name] for name in DeepSetsKernels.model_fields})
        weights = load_file(folder / WEIGHTS) if facts["fitted"] else {}
        own = [
            {k.partition(".")[2]: w for k, w in weights.items() if k.startswith(f"{n}.")}
            for n in range(facts["fitted"])
        ]
        return cls(spec, tuple(restored(spec, one) for one in own))


def learn(
    spec: DeepSetsKernels,
    evidence: Evidence,
    trajectories: Trajectories,
    plan: Plan,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> tuple[list[Floats], Kernels]:
    """
    [Q, C] scores for the trees of each round, and the fit on all that teaches the last.

    Trees must not know the answers they are asked for, so no kernels that they read may know them either. What a round
    asks is scored by kernels that are taught by the round's own teachers; each part of the teachers by kernels that are
    taught by the other folds of training among them. Queries that the trees of a round never read have zeros.
    """
    from refinepoi.ranker.network import fit

    history, target = History.of(trajectories, evidence), trajectories.queries["target"].to_numpy().astype(np.int64)
    wanted: dict[frozenset[int], dict[int, list[int]]] = {}  # taught by -> part that it scores -> for which rounds
    for number, (taught, asked) in enumerate(plan.rounds):
        for part in asked | taught:
            known = taught if part in asked else (taught & plan.train) - {part}
            wanted.setdefault(known, {}).setdefault(part, []).append(number)
    scores = [np.zeros(evidence.candidates.shape, np.float32) for _ in plan.rounds]
    fitted: dict[frozenset[int], Kernels] = {}
    ticks = iter(progress(range(len(wanted) * spec.epochs)))
    for known, parts in wanted.items():
        queries = newest(plan.queries(known), spec.samples)
        epochs = (step % spec.epochs for step in islice(ticks, spec.epochs))
        fitted[known] = Kernels(spec, fit(spec, history, queries, target[queries], epochs))
        for part, rounds in parts.items():
            queries = plan.queries([part])
            found = fitted[known].scores(history, evidence, queries)
            for number in rounds:
                scores[number][queries] = found
    for _ in ticks:  # where there was nothing to fit on
        pass
    return scores, fitted[plan.rounds[-1][0]]


def columns(scores: Floats) -> npt.NDArray[np.float32]:
    """[Q, C, 2] of probabilities [Q, C]: each, and as a part of the query's best."""
    scores = scores.astype(np.float32)
    best = scores.max(1, keepdims=True, initial=0.0)
    lead = np.divide(scores, best, out=np.zeros_like(scores), where=best > 0)
    return np.stack([scores, lead], 2)


def joined(evidence: Evidence, scores: Floats) -> Evidence:
    """A copy with the `columns` of the scores behind the counters."""
    return replace(
        evidence,
        counters=np.concatenate([evidence.counters, columns(scores)], 2),
        names=(*evidence.names, *KERNELS),
        facts=evidence.facts | {"probabilities": KERNELS},
    )
