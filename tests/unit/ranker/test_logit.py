"""The conditional logit against torch autograd, its own optimum and a planted rule."""

import numpy as np
import pytest
import torch

from refinepoi.artifacts.evidence import Evidence
from refinepoi.ranker.logit import features, fit

NAMES = ("a", "b", "c")


def random_evidence(queries: int = 60, width: int = 7, seed: int = 0) -> Evidence:
    draw = np.random.default_rng(seed)
    candidates = np.tile(np.arange(width, dtype=np.int32), (queries, 1))
    candidates[::4, width - 2 :] = -1  # some queries have fewer
    counters = draw.gamma(1.0, 2.0, (queries, width, len(NAMES))).astype(np.float32)
    counters[candidates < 0] = 0
    return Evidence(candidates, counters, NAMES, np.zeros((queries, 0), np.float32), (), {})


def position(evidence: Evidence, seed: int = 1) -> np.ndarray:
    found = np.random.default_rng(seed).integers(0, 5, len(evidence.candidates))
    found[3] = -1  # a target that is no candidate
    return found


def penalised(evidence: Evidence, where: np.ndarray, weights: torch.Tensor, l2: float) -> torch.Tensor:
    """The definition, query by query, on the standardised features."""
    rows = np.flatnonzero(where >= 0)
    x = features(evidence, rows, NAMES)
    valid = evidence.candidates[rows] >= 0
    x = torch.from_numpy(x / x[valid].std(0))
    total = -l2 / 2 * (weights**2).sum()
    for q, row in enumerate(rows):
        score = (x[q] @ weights)[torch.from_numpy(valid[q])]
        total = total + torch.log_softmax(score, 0)[where[row]]
    return total


@pytest.mark.parametrize("l2", [0.5, 20.0])
def test_finds_the_optimum_of_the_definition(l2: float) -> None:
    evidence = random_evidence()
    where = position(evidence)
    model = fit(evidence, np.arange(60), where, NAMES, l2)
    valid = evidence.candidates[where >= 0] >= 0
    spread = features(evidence, np.flatnonzero(where >= 0), NAMES)[valid].std(0)
    weights = torch.tensor(model.weights * spread, requires_grad=True)
    value = penalised(evidence, where, weights, l2)
    (slope,) = torch.autograd.grad(value, weights)
    assert model.samples == 59
    np.testing.assert_allclose(value.item() / 59, model.likelihood, rtol=1e-9)
    assert slope.abs().max() < 1e-2 < penalised(evidence, where, torch.zeros(6, dtype=torch.float64), l2).abs()
    assert value > penalised(evidence, where, torch.zeros(6, dtype=torch.float64), l2)


def test_learns_a_planted_rule() -> None:
    evidence = random_evidence(400)
    valid = evidence.candidates >= 0
    where = np.where(valid, evidence.counter("b"), -1).argmax(1)
    model = fit(evidence, np.arange(400), where, NAMES, 1.0)
    scores = np.where(valid, model.scores(evidence, np.arange(400)), -np.inf)
    assert (scores.argmax(1) == where).mean() > 0.95


def test_counters_that_are_all_zero_get_no_weight() -> None:
    evidence = random_evidence()
    evidence.counters[:, :, 2] = 0
    model = fit(evidence, np.arange(60), position(evidence), NAMES, 1.0)
    assert model.weights[[2, 5]].tolist() == [0.0, 0.0]


def test_no_sample_to_learn_from() -> None:
    evidence = random_evidence()
    model = fit(evidence, np.arange(60), np.full(60, -1), NAMES, 1.0)
    assert model.samples == 0
    assert not model.scores(evidence, np.arange(60)).any()
