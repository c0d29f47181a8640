"""Errors, topology and use of cells, by hand and against minisom."""

import numpy as np
import pytest
from minisom import MiniSom

from refinepoi.quantizer.collisions import GridSpace, VectorSpace
from refinepoi.quantizer.hierarchy import Codebooks
from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.quality import (
    cell_use,
    collision_rate,
    id_report,
    level_report,
    shared,
    topographic_error,
    variance_of,
)
from refinepoi.quantizer.residual import ResidualQuantizer


def places_of(x, category=None):
    rows = len(x)
    names = np.array(["a"] * rows if category is None else category)
    return Places(np.asarray(x, np.float32), np.full(rows, 40.0), np.full(rows, -74.0), names, np.ones(rows, bool))


def test_collision_rate_by_hand():
    codes = np.array([[0, 1], [0, 1], [0, 2], [3, 1], [0, 1]], np.int32)
    assert collision_rate(codes) == pytest.approx(3 / 5)  # three POIs bear (0, 1)
    assert shared(codes).tolist() == [True, True, False, False, True]


def test_cell_use_by_hand():
    use = cell_use(np.array([0, 0, 2, 2, 2, 2]), 5)
    assert (use["cells"], use["used_cells"]) == (5, 2)
    assert use["perplexity"] == pytest.approx(np.exp(-(np.log(1 / 3) / 3 + 2 * np.log(2 / 3) / 3)))
    assert (use["buckets"]["min"], use["buckets"]["median"], use["buckets"]["max"]) == (2, 3, 4)
    assert cell_use(np.arange(7), 7)["perplexity"] == pytest.approx(7)


def test_topographic_error_equals_minisoms():
    draw = np.random.default_rng(0)
    x, weights = draw.standard_normal((200, 4)), draw.standard_normal((30, 4))
    som = MiniSom(5, 6, 4)
    som._weights[:] = weights.reshape(5, 6, 4)
    books = Codebooks(((5, 6),), (weights.astype(np.float32),))
    codes = books.encode(x.astype(np.float32))
    space = VectorSpace(x.astype(np.float32), books)
    assert topographic_error(space, codes, 0, Lattice(5, 6)) == pytest.approx(som.topographic_error(x), abs=1e-9)


def test_topographic_error_knows_the_topology_and_where_it_means_nothing():
    x = np.array([[0.0], [0.4]], np.float32)
    books = Codebooks(((1, 4),), (np.array([[0.0], [9.0], [8.0], [0.5]], np.float32),))  # first and last cell are near
    codes, space = books.encode(x), VectorSpace(x, books)
    assert topographic_error(space, codes, 0, Lattice(1, 4)) == 1
    assert topographic_error(space, codes, 0, Lattice(1, 4, "toroidal")) == 0
    assert topographic_error(space, codes, 0, Lattice(1, 1)) is None
    assert topographic_error(GridSpace(codes, books.grids), codes, 0, Lattice(1, 4)) is None


def test_level_report_by_hand():
    x = np.array([[0.0], [1.0], [4.0], [7.0]], np.float32)  # mean 3, total variance 9 + 4 + 1 + 16 = 30
    books = Codebooks(((1, 2), (1, 2)), (np.array([[0.0], [6.0]], np.float32), np.array([[-1.5], [1.0]], np.float32)))
    codes = books.encode(x)  # level 1: 0 0 1 1, residuals 0 1 -2 1; level 2: 1 1 0 1, left -1 0 -.5 0
    first, second = level_report(places_of(x), codes, ResidualQuantizer(books, "rectangular"), 7.5)
    assert first["quantization_error"] == pytest.approx((0 + 1 + 2 + 1) / 4)
    assert first["unexplained_variance"] == pytest.approx((0 + 1 + 4 + 1) / 30)
    assert second["quantization_error"] == pytest.approx((1 + 0 + 0.5 + 0) / 4)
    assert second["unexplained_variance"] == pytest.approx(1.25 / 30)
    assert second["rms_error"] == pytest.approx((1.25 / 4) ** 0.5)
    assert (first["topographic_error"], first["topographic_neighbours"]) == (0.0, 8)
    assert (second["neighbours"], second["neighbourhood_rows"]) == (1, 4)


def test_id_report_counts_what_the_policy_did():
    x = np.array([[0.0], [0.1], [1.0]], np.float32)
    books = Codebooks(((1, 3),), (np.array([[0.0], [1.0], [0.3]], np.float32),))
    first, final = np.array([[0], [0], [1]], np.int32), np.array([[0], [2], [1]], np.int32)
    report = id_report(places_of(x), first, final, ResidualQuantizer(books), variance_of(x))
    assert report["collision_rate_before"] == pytest.approx(2 / 3)
    assert report["collision_rate"] == 0
    assert report["moved_share"] == pytest.approx(1 / 3)
    assert report["prefix_changed_share"] == 0
    assert (report["distinct_before"], report["fullest_before"], report["possible_ids"]) == (2, 2, 3)
    total = float(np.square(x - x.mean()).sum())
    assert report["unexplained_variance_before"] == pytest.approx(0.01 / total, rel=1e-5)
    assert report["unexplained_variance"] == pytest.approx(0.04 / total, rel=1e-5)


def test_variance_by_hand_and_none_where_float32_only_rounds():
    assert variance_of(np.array([[0.0], [1.0], [4.0], [7.0]], np.float32)) == pytest.approx(7.5)
    assert variance_of(np.full((7, 3), 0.1, np.float32)) == 0
    books = Codebooks(((1, 2),), (np.zeros((2, 1), np.float32),))
    (level,) = level_report(places_of([[1.0]]), np.array([[0]], np.int32), ResidualQuantizer(books), 0.0)
    assert (level["unexplained_variance"], level["rms_error"]) == (None, 1.0)
