"""The table: every ranker of the spec over the validation and test samples, in the order of the spec."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.baseline.counting import hour_frequency, user_frequency, user_markov
from refinepoi.baseline.rank import Board, add_logit, add_trees
from refinepoi.baseline.spec import RANKER, TREES, BaselineSpec
from refinepoi.core.errors import UserError
from refinepoi.ranker.spec import SCORES

COUNTED = "whole catalogue; ties at the expected rank, a count of 0 ties with every POI never counted"
FITTED = "the evidence's candidates; ties at the expected rank, rank infinite where the target is no candidate"
KEPT = "the candidates that the ranker kept; ties at the expected rank, rank infinite where the target is none of them"


def rank_all(
    spec: BaselineSpec,
    evidence: Evidence,
    trajectories: Trajectories,
    threads: int,
    progress: Callable[[list[str]], Iterable[str]] = iter,
) -> Board:
    """The rankers' lists, `Board.predictions()`, and the text of fitted trees."""
    check_names(spec, evidence)
    board = Board(trajectories, evidence, spec.kept)
    hidden = evidence.facts["target_time"] == "hidden"
    rows = np.concatenate([trajectories.query_rows(split) for split in SPLITS[1:]])
    for method in progress([*spec.counting, *spec.logits, *[TREES] * (spec.trees.kind != "off")]):
        needs_time = method == "hour_frequency" or (method in spec.logits and spec.logits[method].needs_time)
        if needs_time and hidden:
            board.facts[method] = {"left_out": "needs the target's time, which the evidence hides"}
        elif spec.trees.kind != "off" and method == TREES:
            for name, trees in add_trees(board, spec.trees, threads).items():
                split = "train" if name == TREES else "train and validation; validation ranked as by trees"
                board.facts[name] = {
                    "ranks_over": FITTED,
                    "fitted_on": {"split": split, "newest_samples": spec.trees.samples, "ends": spec.trees.ends},
                    "gains": trees.gains(),
                }
        elif method in spec.logits:
            logit = spec.logits[method]
            model = add_logit(board, method, logit, spec.folds, spec.seed)
            board.facts[method] = {
                "ranks_over": FITTED,
                "fitted_on": {"split": "validation", "newest_train_samples": logit.train_samples},
                "validation": f"cross-fitted, {spec.folds} folds by user",
                "samples_with_target_among_candidates": model.samples,
                "log_likelihood": round(model.likelihood, 6),
                "weights": _weights(model.counters, model.weights),
            }
        else:
            board.facts[method] = {"ranks_over": COUNTED}
            if method == "popularity":
                visits = trajectories.checkins["poi"].to_numpy()[trajectories.checkins["split"].to_numpy() == 0]
                board.add_fixed(method, rows, np.bincount(visits, minlength=trajectories.pois.height).astype(float))
            else:
                score = {
                    "user_frequency": user_frequency,
                    "user_markov": user_markov,
                    "hour_frequency": hour_frequency(spec.hour_counter),
                }[method]
                board.add(method, rows, score(evidence, rows), counts=True)
    return board


def rank_as_ranked(ranked: Evidence, trajectories: Trajectories) -> Board:
    """The order of a ranker's own stage. ranked: evidence with `ranker_score`."""
    board = Board(trajectories, ranked, kept=ranked.candidates.shape[1])
    rows = np.concatenate([trajectories.query_rows(split) for split in SPLITS[1:]])
    board.facts[RANKER] = {"ranks_over": KEPT, "fitted_on": {"split": "train"}}
    board.add(RANKER, rows, ranked.counter(SCORES[0])[rows].astype(np.float64), counts=False)
    return board


def check_names(spec: BaselineSpec, evidence: Evidence) -> None:
    wanted: dict[str, tuple[str, ...]] = {}
    if "hour_frequency" in spec.counting:
        wanted["baseline.hour_counter"] = (spec.hour_counter,)
    wanted |= {f"baseline.logits.{method}.counters": logit.counters for method, logit in spec.logits.items()}
    for key, names in wanted.items():
        unknown = [name for name in names if name not in evidence.names]
        if unknown:
            raise UserError(
                f"{key}: the evidence has no counter {', '.join(unknown)}; it has {', '.join(evidence.names)}"
            )


def _weights(counters: tuple[str, ...], weights: Any) -> dict[str, list[float]]:
    value, logarithm = weights[: len(counters)], weights[len(counters) :]
    return {
        name: [round(float(a), 6), round(float(b), 6)] for name, a, b in zip(counters, value, logarithm, strict=True)
    }
