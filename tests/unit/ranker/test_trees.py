"""Trees find a planted rule no sum of counters shows, give the same bytes on any thread count, and stand small data."""

from typing import Any

import numpy as np
import pytest
from options import option

from refinepoi.artifacts.evidence import Evidence
from refinepoi.ranker.columns import PLACE, names, table
from refinepoi.ranker.spec import TreesRanker
from refinepoi.ranker.trees import fit

NAMES = ("a", "b")


def settings(**changes: Any) -> TreesRanker:
    small = {"rounds": 30, "leaves": 7, "min_leaf": 5, "feature_fraction": 1.0, "candidates": 6, "seed": 0}
    return TreesRanker.model_validate(option("ranker", "trees") | small | changes)


def planted(queries: int = 300, width: int = 6) -> tuple[Evidence, np.ndarray]:
    """Before noon the greatest `a` is the target, after noon the greatest `b`."""
    draw = np.random.default_rng(0)
    counters = draw.random((queries, width, 2)).astype(np.float32)
    hour = draw.uniform(0, 24, queries).astype(np.float32)
    candidates = np.tile(np.arange(width, dtype=np.int32), (queries, 1))
    candidates[::5, -1] = -1
    counters[candidates < 0] = 0
    target = np.where(hour < 12, counters[:, :, 0].argmax(1), counters[:, :, 1].argmax(1))
    return Evidence(candidates, counters, NAMES, hour[:, None], ("hour",), {"target_time": "known"}), target


def test_a_fact_of_the_query_decides_which_counter_counts() -> None:
    evidence, target = planted()
    taught, asked = np.arange(200), np.arange(200, 300)
    scores = fit(settings(), evidence, taught, target[taught], 1).scores(evidence, asked)
    assert np.isneginf(scores[evidence.candidates[asked] < 0]).all()
    assert (scores.argmax(1) == target[asked]).mean() > 0.8  # a fixed sum: about .55


def test_bytes_are_the_same_for_any_number_of_threads_and_differ_by_seed() -> None:
    evidence, target = planted()
    rows = np.arange(300)

    def text(threads: int, seed: int) -> str:
        return fit(settings(feature_fraction=0.5, seed=seed), evidence, rows, target, threads).text

    assert text(1, 0) == text(2, 0)
    one, other = (text(1, seed).partition("parameters:")[0] for seed in (0, 1))
    assert one != other


def test_bags_are_averaged_and_the_first_is_the_single_fit() -> None:
    evidence, target = planted()
    rows = np.arange(300)
    changes = {"feature_fraction": 0.5, "bagging": 0.5, "rounds": 5}
    single, bagged = (fit(settings(**changes, bags=bags), evidence, rows, target, 1) for bags in (1, 3))
    texts = [model.model_to_string() for model in bagged.models()]
    assert len(single.models()) == 1 and len(set(texts)) == len(texts) == 3
    assert texts[0] == single.models()[0].model_to_string()
    held = evidence.candidates >= 0
    width = evidence.candidates.shape[1]
    read = table(evidence, rows, width, False)[held]
    wanted = np.mean([model.predict(read) for model in bagged.models()], 0)
    np.testing.assert_allclose(bagged.scores(evidence, rows)[held], wanted, rtol=1e-12)
    assert sum(bagged.gains().values()) == pytest.approx(1, abs=1e-4)


def test_targets_that_are_no_candidates_teach_nothing() -> None:
    evidence, target = planted()
    some = np.where(np.arange(300) < 100, target, -1)
    one = fit(settings(), evidence, np.arange(300), some, 1)
    two = fit(settings(), evidence, np.arange(100), target[:100], 1)
    assert one.text == two.text


def test_without_anything_to_learn_from_the_order_stays() -> None:
    evidence, _ = planted()
    nothing = fit(settings(), evidence, np.arange(5), np.full(5, -1), 1)
    assert nothing.gains() == {}
    assert (np.argsort(-nothing.scores(evidence, np.arange(5)), axis=1) == np.arange(6)).all()


@pytest.mark.parametrize("parts", [False, True])
def test_columns_by_hand(parts: bool) -> None:
    counters = np.array([[[1.0, 5.0], [3.0, 2.0], [0.0, 0.0]]], np.float32)
    evidence = Evidence(
        np.array([[7, 4, 2]], np.int32),
        counters,
        ("a", "days_since_visit"),
        np.array([[9.5]], np.float32),
        ("hour",),
        {},
    )
    found = {
        n: v.tolist()
        for n, v in zip(names(evidence, parts), table(evidence, np.array([0]), 2, parts)[0].T, strict=True)
    }
    expected = {"a": [1, 3], "days_since_visit": [5, 2], PLACE: [0, 1], "hour": [9.5, 9.5]}
    assert found == expected | ({"a_part": [0.25, 0.75]} if parts else {})
