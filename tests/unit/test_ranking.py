"""Ranks and their worth against brute force: ties, duplicates, invalid ids, short lists (RELIABILITY 4.3.27)."""

import math
from itertools import pairwise, permutations

import numpy as np
import pytest

from refinepoi.ranking import expected_rank, hit_at, ndcg_at, rank_in_list, reciprocal_rank


def brute_expected_rank(scores: list[float], target: int) -> float:
    """Mean place of the target over every order that respects the scores."""
    places = [
        order.index(target) + 1
        for order in permutations(range(len(scores)))
        if all(scores[a] >= scores[b] for a, b in pairwise(order))
    ]
    return sum(places) / len(places)


def test_expected_rank_is_the_mean_over_all_orders_of_the_ties() -> None:
    draw = np.random.default_rng(0)
    for _ in range(60):
        scores = draw.integers(0, 3, size=5).astype(np.float64)
        target = int(draw.integers(5))
        got = expected_rank(scores[None], np.array([target]))
        assert got[0] == brute_expected_rank(scores.tolist(), target)


def test_expected_rank_on_a_thousand_rankings_with_ties_and_masked_columns() -> None:
    draw = np.random.default_rng(1)
    scores = draw.integers(-2, 4, size=(1000, 12)).astype(np.float32)
    valid = draw.random((1000, 12)) < 0.7
    position = draw.integers(-1, 12, size=1000)
    scores[~valid] = draw.choice([np.nan, np.inf, 9, 0], size=(~valid).sum())  # a masked column may hold anything
    got = expected_rank(scores, position, valid)
    for row in range(1000):
        at = position[row]
        if at < 0 or not valid[row, at]:
            assert got[row] == math.inf
            continue
        rest = [scores[row, c] for c in range(12) if valid[row, c] and c != at]
        better = sum(s > scores[row, at] for s in rest)
        ties = sum(s == scores[row, at] for s in rest)
        assert got[row] == 1 + better + ties / 2


def test_rank_in_list_on_a_thousand_lists_with_repeats_and_invalid_entries() -> None:
    draw = np.random.default_rng(2)
    lists = draw.integers(-1, 8, size=(1000, 10))  # -1: an invalid entry or a shorter list
    targets = draw.integers(0, 10, size=1000)
    got = rank_in_list(lists, targets)
    for row in range(1000):
        items = lists[row].tolist()
        expected = items.index(targets[row]) + 1 if targets[row] in items else math.inf
        assert got[row] == expected
        assert rank_in_list(items, int(targets[row])) == expected  # one list alone


def test_a_target_that_names_nothing_is_nowhere() -> None:
    assert rank_in_list([-1, 3, -1], -1) == math.inf
    assert rank_in_list([], 3) == math.inf
    assert rank_in_list(np.zeros((4, 0), np.int64), np.arange(4)).tolist() == [math.inf] * 4
    assert expected_rank(np.zeros((2, 0)), np.array([-1, 0])).tolist() == [math.inf] * 2


def test_worth_of_a_rank_by_hand() -> None:
    ranks = np.array([1.0, 1.5, 2.0, 10.0, 10.5, math.inf])
    assert hit_at(ranks, 1).tolist() == [1, 0, 0, 0, 0, 0]
    assert hit_at(ranks, 10).tolist() == [1, 1, 1, 1, 0, 0]
    assert reciprocal_rank(ranks).tolist() == [1, 1 / 1.5, 0.5, 0.1, 1 / 10.5, 0]
    assert reciprocal_rank(ranks, cutoff=10).tolist() == [1, 1 / 1.5, 0.5, 0.1, 0, 0]
    expected = [1, 1 / math.log2(2.5), 1 / math.log2(3), 1 / math.log2(11), 0, 0]
    assert ndcg_at(ranks, 10) == pytest.approx(expected, abs=1e-12)


def test_perfect_constant_and_reversed_rankers() -> None:
    """A perfect ranker scores 1; one that says the same of everything scores the middle rank, not the first."""
    scores = np.random.default_rng(3).permuted(np.tile(np.arange(101.0), (50, 1)), axis=1)
    assert expected_rank(scores, scores.argmax(1)).tolist() == [1] * 50
    assert expected_rank(scores, scores.argmin(1)).tolist() == [101] * 50
    assert expected_rank(np.zeros((50, 101)), np.arange(50)).tolist() == [51] * 50


def test_the_order_of_the_columns_does_not_matter() -> None:
    draw = np.random.default_rng(4)
    scores = draw.integers(0, 5, size=(200, 9)).astype(np.float64)
    position = draw.integers(0, 9, size=200)
    shuffle = draw.permutation(9)
    moved = np.argsort(shuffle)[position]
    assert (expected_rank(scores, position) == expected_rank(scores[:, shuffle], moved)).all()


def test_nan_is_refused_rather_than_ranked_first() -> None:
    with pytest.raises(ValueError, match="row 1"):
        expected_rank(np.array([[1.0, 2.0], [np.nan, 2.0]]), np.array([0, 0]))
