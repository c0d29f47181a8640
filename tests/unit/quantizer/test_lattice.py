"""The separable smoothing equals the sum over all pairs of nodes; distances and neighbours by hand."""

import numpy as np
import pytest

from refinepoi.quantizer.lattice import Lattice


def pairwise(lattice, sigma):
    n = np.arange(lattice.nodes)
    a, b = np.repeat(n, len(n)), np.tile(n, len(n))
    return np.exp(-(lattice.distance(a, b) ** 2) / (2 * sigma**2)).reshape(len(n), len(n))


@pytest.mark.parametrize("topology", ["rectangular", "toroidal", "hexagonal"])
@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (1, 5), (5, 1), (1, 1), (6, 6)])
@pytest.mark.parametrize("sigma", [0.3, 1.7])
def test_smoothing_is_the_sum_over_all_pairs(topology, shape, sigma):
    lattice = Lattice(*shape, topology)
    values = np.random.default_rng(0).standard_normal((lattice.nodes, 3))
    np.testing.assert_allclose(lattice.smooth(values, sigma), pairwise(lattice, sigma) @ values, rtol=1e-12, atol=1e-12)


def test_distances_by_hand():
    a, b = np.array([0]), np.array([3 * 5 + 4])  # (0, 0) and (3, 4) on a 4 x 5 grid
    assert Lattice(4, 5).distance(a, b) == pytest.approx(5)
    assert Lattice(4, 5, "toroidal").distance(a, b) == pytest.approx(2**0.5)
    assert Lattice(4, 5, "hexagonal").distance(a, b) == pytest.approx((4.5**2 + 27 / 4) ** 0.5)


@pytest.mark.parametrize(("topology", "inner"), [("rectangular", 8), ("toroidal", 8), ("hexagonal", 6)])
def test_an_inner_node_has_as_many_neighbours_as_stated(topology, inner):
    lattice = Lattice(5, 5, topology)
    others = np.arange(25)
    for node in (12, 11, 7):  # rows of both parities
        assert lattice.adjacent(np.full(25, node), others).sum() - 1 == inner == lattice.neighbours


def test_a_corner_has_three_neighbours_unless_edges_join():
    others, corner = np.arange(25), np.zeros(25, int)
    assert Lattice(5, 5).adjacent(corner, others).sum() - 1 == 3
    assert Lattice(5, 5, "toroidal").adjacent(corner, others).sum() - 1 == 8
