"""Quality figures against hand-worked tables and naive loops."""

import numpy as np
import pytest
from minisom import MiniSom

from refinepoi.quantizer.continuity import _ranks, continuity, neighbourhood
from refinepoi.quantizer.hierarchy import Codebooks
from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.quality import cell_use, collision_rate, id_report, level_report, topographic_error


def test_collision_rate_by_hand():
    codes = np.array([[0, 1], [0, 1], [0, 2], [3, 1], [0, 1]], np.int32)
    assert collision_rate(codes) == pytest.approx(3 / 5)  # three POIs bear (0, 1)


def test_cell_use_by_hand():
    use = cell_use(np.array([0, 0, 2, 2]), 5)
    assert use == {"cells": 5, "used_cells": 2, "perplexity": pytest.approx(2.0), "fullest_cell": 2}


def test_topographic_error_equals_minisoms():
    draw = np.random.default_rng(0)
    x, weights = draw.standard_normal((200, 4)), draw.standard_normal((30, 4))
    som = MiniSom(5, 6, 4)
    som._weights[:] = weights.reshape(5, 6, 4)
    ours = topographic_error(x.astype(np.float32), weights.astype(np.float32), Lattice(5, 6))
    assert ours == pytest.approx(som.topographic_error(x), abs=1e-9)
    assert topographic_error(x.astype(np.float32), weights[:1].astype(np.float32), Lattice(1, 1)) is None


def test_level_report_by_hand():
    x = np.array([[0.0], [1.0], [4.0], [7.0]], np.float32)  # mean 3, total variance 9 + 4 + 1 + 16 = 30
    books = Codebooks(((1, 2), (1, 2)), (np.array([[0.0], [6.0]], np.float32), np.array([[-1.5], [1.0]], np.float32)))
    codes = books.encode(x)  # level 1: 0 0 1 1, residuals 0 1 -2 1; level 2: 1 1 0 1, left -1 0 -.5 0
    first, second = level_report(x, codes, books)
    assert first["quantization_error"] == pytest.approx((0 + 1 + 2 + 1) / 4)
    assert first["unexplained_variance"] == pytest.approx((0 + 1 + 4 + 1) / 30)
    assert second["quantization_error"] == pytest.approx((1 + 0 + 0.5 + 0) / 4)
    assert second["unexplained_variance"] == pytest.approx(1.25 / 30)
    assert (first["topographic_error"], first["topographic_neighbours"]) == (0.0, 8)


def naive(x, codes, width, categories):
    """NICC, NICS, and the share of rows with neighbours, pair by pair."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    same, random_same, alike, random_alike = [], [], [], []
    for i in range(len(x)):
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
    return (
        np.mean(same) / np.mean(random_same), np.mean(alike) / np.mean(random_alike), len(same) / len(x)
    )  # fmt: skip


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_nicc_and_nics_equal_the_definition_pair_by_pair(levels):
    draw = np.random.default_rng(levels)
    x = (draw.standard_normal((80, 5)) + 0.5).astype(np.float32)
    grids = ((2, 1), (1, 3), (4, 5))[-levels:]
    codes = np.column_stack([draw.integers(0, h * w, 80) for h, w in grids]).astype(np.int32)
    categories = draw.integers(3, 9, 80)
    nicc, nics, share = naive(x.astype(np.float64), codes, 5, categories)
    found = neighbourhood(x, codes, grids, categories)
    assert found["nicc"] == pytest.approx(nicc, rel=1e-6)
    assert found["nics"] == pytest.approx(nics, rel=1e-6)
    assert found["neighboured"] == pytest.approx(share)


def test_cells_at_the_edge_have_no_neighbours_across_it():
    codes = np.array([[3], [4]], np.int32)  # last cell of row 0 and first of row 1 on a grid of four columns
    assert neighbourhood(np.eye(2, dtype=np.float32), codes, ((2, 4),), np.zeros(2, int))["neighboured"] == 0


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
    kinds = np.zeros(64, int)
    assert continuity(x, ordered.astype(np.int32), ((1, 64),), kinds)["level_1_spearman"] == pytest.approx(1)
    assert abs(continuity(x, shuffled.astype(np.int32), ((1, 64),), kinds)["level_1_spearman"]) < 0.3
    assert _ranks(np.array([5.0, 1, 5, 0])).tolist() == [3.5, 2, 3.5, 1]


def test_id_report_counts_what_the_policy_did():
    x = np.array([[0.0], [0.1], [1.0]], np.float32)
    books = Codebooks(((1, 3),), (np.array([[0.0], [1.0], [0.3]], np.float32),))
    first, final = np.array([[0], [0], [1]], np.int32), np.array([[0], [2], [1]], np.int32)
    report = id_report(x, first, final, books.grids, np.array([0, 0, 1]), books)
    assert report["collision_rate_before"] == pytest.approx(2 / 3)
    assert report["collision_rate"] == 0
    assert report["moved_share"] == pytest.approx(1 / 3)
    assert report["prefix_changed_share"] == 0
    assert report["unexplained_variance"] > report["unexplained_variance_before"]
