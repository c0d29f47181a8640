"""A ranker's spec at work: fit, cross-fit, put in order; and how good the order is, by split."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import UserError
from refinepoi.ranker import logit, trees
from refinepoi.ranker.crossfit import Ints, cross_fit, plan, taught_by
from refinepoi.ranker.kernels import columns, joined, learn
from refinepoi.ranker.order import favour, reorder
from refinepoi.ranker.serve import FittedRanker
from refinepoi.ranker.spec import KERNELS, LogitRanker, TreesRanker
from refinepoi.ranking import reciprocal_rank


def rank(
    spec: TreesRanker | LogitRanker,
    evidence: Evidence,
    trajectories: Trajectories,
    threads: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> tuple[Evidence, FittedRanker]:
    """The evidence in the ranker's order, and the model that test queries are ranked by."""
    rounds = plan(trajectories, spec.folds, spec.seed, spec.refit)
    choose = taught_by(trajectories, spec.samples, isinstance(spec, TreesRanker) and spec.ends)
    scored, learned = None, None
    if isinstance(spec, TreesRanker) and spec.kernels.kind != "off":
        scored, learned = learn(spec.kernels, evidence, trajectories, rounds, progress)
        evidence = joined(evidence, scored[0])

    def views(number: int) -> Evidence:
        if scored is not None:  # one copy serves all rounds: New York's counters take 2.3 GB
            evidence.counters[:, :, -len(KERNELS) :] = columns(scored[number])
        return evidence

    fit = fitter(spec, evidence, threads)
    scores, model = cross_fit(fit, views, trajectories, choose, rounds, progress)
    facts = {"settings": spec.model_dump(mode="json"), "training": "cross-fitted by user"}
    if isinstance(model, trees.Trees):
        facts["gains"] = model.gains()
    fitted = FittedRanker(model, spec.temperature, spec.kept, spec.discovery_prior, learned)
    scores = favour(evidence, scores, spec.temperature, spec.discovery_prior)
    return reorder(views(len(rounds.rounds) - 1), scores, spec.temperature, spec.kept, facts), fitted


def fitter(
    spec: TreesRanker | LogitRanker, evidence: Evidence, threads: int
) -> Callable[[Evidence, Ints, Ints], trees.Trees | logit.Logit]:
    """(evidence, query numbers, positions of their targets) -> model."""
    if isinstance(spec, TreesRanker):
        return partial(trees.fit, spec, threads=threads)
    unknown = [name for name in spec.counters if name not in evidence.names]
    if unknown:
        known = ", ".join(evidence.names)
        raise UserError(f"ranker.counters: the evidence has no counter {', '.join(unknown)}; it has {known}")
    return partial(logit.fit, counters=spec.counters or evidence.names, l2=spec.l2)


def quality(evidence: Evidence, trajectories: Trajectories) -> dict[str, float]:
    """MRR of the order and mean log-probability of the target where it is a candidate; training and validation."""
    position = evidence.position(trajectories.queries["target"].to_numpy())
    likely = np.take_along_axis(evidence.counter("ranker_score"), np.maximum(position, 0)[:, None], 1)[:, 0]
    found = {}
    for split in ("train", "validation"):
        rows = trajectories.query_rows(split)
        there = rows[position[rows] >= 0]
        if len(there):
            rank = np.where(position[rows] >= 0, position[rows] + 1.0, np.inf)
            found[f"{split}_mrr"] = float(reciprocal_rank(rank).mean())
            found[f"{split}_log_likelihood"] = float(np.log(np.maximum(likely[there], 1e-12)).mean())
    if KERNELS[0] in evidence.names:
        found |= _kernels_alone(evidence, trajectories.query_rows("validation"), position)
    return found


def _kernels_alone(evidence: Evidence, rows: Ints, position: Ints) -> dict[str, float]:
    """MRR of the learned kernels' own order of the candidates; a place never visited has none. rows: of a split."""
    there = rows[position[rows] >= 0]
    if not len(there):
        return {}
    score = evidence.counter(KERNELS[0])[there]
    own = np.take_along_axis(score, position[there, None], 1)
    rank = np.where(own[:, 0] > 0, 1.0 + (score > own).sum(1), np.inf)
    return {"kernels_validation_mrr": float(reciprocal_rank(rank).sum()) / len(rows)}
