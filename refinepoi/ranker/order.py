"""Evidence in a ranker's order: its candidates re-ordered, the score as counters behind the others."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence
from refinepoi.ranker.spec import SCORES

Floats = npt.NDArray[np.float64]
VISITS = "user_count"


def probabilities(evidence: Evidence, scores: Floats, temperature: float) -> Floats:
    """[Q, C] softmax of score / temperature over the candidates of each query, 0 where there is none."""
    scaled = np.where(evidence.candidates >= 0, scores / temperature, -np.inf)
    best = scaled.max(1, keepdims=True, initial=-np.inf)
    likely = np.exp(scaled - np.where(np.isfinite(best), best, 0.0))
    total = likely.sum(1, keepdims=True)
    return np.divide(likely, total, out=np.zeros_like(likely), where=total > 0)


def favour(evidence: Evidence, scores: Floats, temperature: float, prior: float) -> Floats:
    """[Q, C] scores under which the odds of each place never visited are `prior` times as great."""
    if prior == 1:
        return scores
    return np.where(evidence.counter(VISITS) > 0, scores, scores + temperature * np.log(prior))


def reorder(evidence: Evidence, scores: Floats, temperature: float, kept: int, facts: dict[str, Any]) -> Evidence:
    """The first `kept` candidates by score, the evidence's own order between equals. scores: [Q, C]."""
    likely = probabilities(evidence, scores, temperature)
    order = np.argsort(np.where(evidence.candidates >= 0, -scores, np.inf), axis=1, kind="stable")[:, :kept]
    likely = np.take_along_axis(likely, order, 1)
    lead = np.divide(likely, likely[:, :1], out=np.zeros_like(likely), where=likely[:, :1] > 0)
    own = np.stack([likely, lead], 2).astype(np.float32)
    rows = np.arange(len(order))[:, None]
    told = (*evidence.facts.get("probabilities", ()), *SCORES)
    return replace(
        evidence,
        candidates=evidence.candidates[rows, order],
        counters=np.concatenate([evidence.counters[rows, order], own], 2),
        names=(*evidence.names, *SCORES),
        facts=evidence.facts | {"candidates": order.shape[1], "probabilities": told, "ranker": facts},
    )
