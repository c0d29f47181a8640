"""NICC and NICS against their definition, pair by pair."""

import numpy as np
import pytest

from refinepoi.quantizer.continuity import _ranks, continuity, distance_agreement


def naive(x, codes, width, categories, of):
    """NICC, NICS, and the share of rows with neighbours, pair by pair."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    same, random_same, alike, random_alike = [], [], [], []
    for i in np.flatnonzero(of):
        others = [j for j in range(len(x)) if j != i]
        y, c = divmod(codes[i, -1], width)
        near = [
            j for j in others
            if (codes[j, :-1] == codes[i, :-1]).all()
            and max(abs(codes[j, -1] // width - y), abs(codes[j, -1] % width - c)) <= 1
        ]  # fmt: skip
        if near:
            same.append(np.mean([categories[j] == categories[i] for j in near]))
            random_same.append(np.mean([categories[j] == categories[i] for j in others]))
            alike.append(np.mean([unit[i] @ unit[j] for j in near]))
            random_alike.append(np.mean([unit[i] @ unit[j] for j in others]))
    return np.mean(same) / np.mean(random_same), np.mean(alike) / np.mean(random_alike), len(same) / of.sum()


@pytest.mark.parametrize("some", [False, True])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_nicc_and_nics_equal_the_definition_pair_by_pair(levels, some):
    draw = np.random.default_rng(levels)
    x = (draw.standard_normal((80, 5)) + 0.5).astype(np.float32)
    grids = ((2, 1), (1, 3), (4, 5))[-levels:]
    codes = np.column_stack([draw.integers(0, h * w, 80) for h, w in grids]).astype(np.int32)
    categories = draw.integers(3, 9, 80)
    of = draw.random(80) < 0.3 if some else np.ones(80, bool)
    nicc, nics, share = naive(x.astype(np.float64), codes, 5, categories, of)
    found = continuity(x, codes, grids, categories, of if some else None)
    assert found["nicc"] == pytest.approx(nicc, rel=1e-6)
    assert found["nics"] == pytest.approx(nics, rel=1e-6)
    assert found["neighboured"] == pytest.approx(share)


def test_cells_at_the_edge_have_no_neighbours_across_it():
    codes = np.array([[3], [4]], np.int32)  # last cell of row 0 and first of row 1 on a grid of four columns
    assert continuity(np.eye(2, dtype=np.float32), codes, ((2, 4),), np.zeros(2, int))["neighboured"] == 0


def test_nobody_has_neighbours_and_one_poi():
    codes = np.array([[0, 0], [1, 0]], np.int32)
    found = continuity(np.eye(2, dtype=np.float32), codes, ((1, 9), (1, 1)), np.array([0, 1]))
    assert found["nicc"] is None
    assert found["neighboured"] == 0
    one = continuity(np.ones((1, 3), np.float32), np.zeros((1, 1), np.int32), ((1, 1),), np.array([5]))
    assert one["nicc"] is None


def test_order_on_the_grid_shows_in_spearman():
    x = np.arange(64, dtype=np.float32)[:, None]
    ordered, shuffled = np.arange(64)[:, None], np.random.default_rng(0).permutation(64)[:, None]
    assert distance_agreement(x, ordered.astype(np.int32), ((1, 64),)) == pytest.approx(1)
    assert abs(distance_agreement(x, shuffled.astype(np.int32), ((1, 64),))) < 0.3
    assert _ranks(np.array([5.0, 1, 5, 0])).tolist() == [3.5, 2, 3.5, 1]
