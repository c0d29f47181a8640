"""Weights on validation, lists for validation (cross-fitted by user) and test."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.predictions import Predictions
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.baseline.rank import Board, add_logit
from refinepoi.baseline.spec import LogitSpec
from refinepoi.core.errors import UserError
from refinepoi.ensemble.spec import LogLinear
from refinepoi.ranker.spec import SCORES

NAME = "ensemble"
LIKELIHOOD = "policy_surprise"  # nats, - log-likelihood: counters are never negative
RANKER = "ranker_surprise"
MOST = 20.0  # nats: beyond that all candidates are equally out of the question


def mix(
    spec: LogLinear, evidence: Evidence, trajectories: Trajectories, likelihoods: npt.NDArray[np.float32]
) -> Predictions:
    """likelihoods: natural logarithms [Q, C] of the policy."""
    mixed = with_surprises(evidence, likelihoods)
    board = Board(trajectories, mixed, spec.kept)
    own = tuple(name for name in (LIKELIHOOD, RANKER) if name in mixed.names)
    logit = LogitSpec(counters=(*own, *spec.counters), needs_time=False, train_samples=0, l2=spec.l2)
    model = add_logit(board, NAME, logit, spec.folds, spec.seed)
    half = len(model.counters)
    board.facts[NAME] = {
        "ranks_over": f"the first {mixed.candidates.shape[1]} candidates; rank infinite for other targets",
        "fitted_on": {"split": "validation"},
        "validation": f"cross-fitted, {spec.folds} folds by user",
        "samples_with_target_among_candidates": model.samples,
        "weights": {
            name: [round(float(model.weights[n]), 6), round(float(model.weights[half + n]), 6)]
            for n, name in enumerate(model.counters)
        },
    }
    return board.predictions()


def check_names(spec: LogLinear, evidence: Evidence) -> None:
    """Raises UserError where the evidence lacks a counter."""
    unknown = [name for name in spec.counters if name not in evidence.names]
    if unknown:
        raise UserError(
            f"ensemble.counters: the evidence has no counter {', '.join(unknown)}; it has {', '.join(evidence.names)}"
        )


def with_surprises(evidence: Evidence, likelihoods: npt.NDArray[np.float32]) -> Evidence:
    """Evidence of the first C candidates with the policy's surprise, and the ranker's where one ran, in front."""
    width = likelihoods.shape[1]
    named = {LIKELIHOOD: -likelihoods}
    if SCORES[0] in evidence.names:
        with np.errstate(divide="ignore"):
            named[RANKER] = -np.log(evidence.counter(SCORES[0])[:, :width])
    extra = np.stack([np.clip(values, 0.0, MOST) for values in named.values()], 2).astype(np.float32)
    return replace(
        evidence,
        candidates=evidence.candidates[:, :width],
        counters=np.concatenate([extra, evidence.counters[:, :width]], 2),
        names=(*named, *evidence.names),
    )
