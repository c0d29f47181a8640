"""Trustworthiness and neighbourhood preservation against their definition by brute force."""

import numpy as np
import pytest

from refinepoi.quantizer import neighbourhood
from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.neighbourhood import grid_places, neighbourhood_kept


def naive(high, low, k):
    """1 - 2 / (n k (2 n - 3 k - 1)) times the sum of r - k over the k nearest in `low` of rank r > k in `high`."""
    n, penalty = len(high), 0
    for i in range(n):
        gaps = [[np.linalg.norm(space[i] - space[j]) for j in range(n)] for space in (high, low)]
        orders = [[j for j in np.argsort(gap, kind="stable") if j != i] for gap in gaps]
        for j in orders[1][:k]:
            penalty += max(0, orders[0].index(j) + 1 - k)
    return 1 - 2 * penalty / (n * k * (2 * n - 3 * k - 1))


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_equals_the_definition_where_no_two_share_a_cell(topology):
    draw = np.random.default_rng(1)
    lattice = Lattice(8, 8, topology)
    codes = draw.permutation(64)[:40].astype(np.int32)
    x = (lattice.positions[codes] + 0.8 * draw.standard_normal((40, 2))).astype(np.float32)
    found = neighbourhood_kept(x, codes, lattice)
    # Equal distances on the grid are told apart by the same small moves that the measure makes.
    moves = neighbourhood.generator(0, "neighbourhood").random((40, 2))
    places = lattice.positions[codes] + neighbourhood.JITTER * moves
    assert found["neighbours"] == 10
    assert found["trustworthiness"] == pytest.approx(naive(x.astype(float), places, 10), abs=1e-9)
    assert found["neighbourhood_preservation"] == pytest.approx(naive(places, x.astype(float), 10), abs=1e-9)


def test_a_map_in_order_is_trusted_and_a_shuffled_one_is_not():
    lattice = Lattice(12, 12)
    codes = np.arange(144, dtype=np.int32)
    x = lattice.positions.astype(np.float32)
    kept = neighbourhood_kept(x, codes, lattice)
    lost = neighbourhood_kept(x, np.random.default_rng(0).permutation(144).astype(np.int32), lattice)
    assert min(kept["trustworthiness"], kept["neighbourhood_preservation"]) > 0.99
    assert max(lost["trustworthiness"], lost["neighbourhood_preservation"]) < 0.65


def test_one_cell_for_all_loses_every_neighbour():
    x = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    assert 0.4 < neighbourhood_kept(x, np.zeros(300, np.int32), Lattice(4, 4))["trustworthiness"] < 0.6


def test_the_two_sides_of_a_torus_are_neighbours():
    lattice = Lattice(6, 10, "toroidal")
    places = grid_places(lattice)
    gap = np.linalg.norm(places[0] - places[9])  # first and last column
    assert gap == pytest.approx(np.linalg.norm(places[0] - places[1]))
    assert 0.95 < gap <= 1
    codes = np.arange(60, dtype=np.int32)
    x = places.astype(np.float32)
    assert neighbourhood_kept(x, codes, lattice)["trustworthiness"] > 0.99
    assert neighbourhood_kept(x, codes, Lattice(6, 10))["trustworthiness"] < 0.98


def test_few_and_many_rows(monkeypatch):
    lattice = Lattice(3, 3)
    assert neighbourhood_kept(np.eye(2, dtype=np.float32), np.array([0, 1]), lattice)["trustworthiness"] is None
    monkeypatch.setattr(neighbourhood, "ROWS", 50)
    draw = np.random.default_rng(0)
    x, codes = draw.standard_normal((200, 3)).astype(np.float32), draw.integers(0, 9, 200)
    first, again = (neighbourhood_kept(x, codes, lattice) for _ in range(2))
    assert first == again
    assert (first["neighbourhood_rows"], first["neighbours"]) == (50, 10)
