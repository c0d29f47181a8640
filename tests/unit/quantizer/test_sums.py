"""Sums per node against a loop; addition that does not depend on its order."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refinepoi.quantizer.sums import Sums, node_sums


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_sums_per_node(rows, nodes, seed):
    draw = np.random.default_rng(seed)
    x, codes = draw.standard_normal((rows, 3)).astype(np.float32), draw.integers(0, nodes, rows)
    sums, counts = node_sums(torch.from_numpy(x), codes, nodes)
    for node in range(nodes):
        np.testing.assert_allclose(sums[node], x[codes == node].sum(0, dtype=np.float64), atol=1e-5)
        assert counts[node] == (codes == node).sum()


def test_more_nodes_than_small_integers_can_number():
    codes = np.array([70_000, 2, 70_000])
    sums, counts = node_sums(torch.tensor([[1.0], [2], [3]]), codes, 70_001)
    assert (sums[70_000, 0], sums[2, 0], counts[70_000], counts.sum()) == (4, 2, 2, 3)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.floats(-20, 20), st.integers(0, 2**32 - 1))
def test_the_order_and_the_grouping_of_blocks_do_not_show(blocks, size, seed):
    """Values over eight magnitudes: float64 sums of these differ in their last bits by order."""
    draw, reach = np.random.default_rng(seed), 10.0**size
    parts = (draw.uniform(-1, 1, (blocks, 4, 3)) * reach * 10.0 ** draw.integers(-8, 1, (blocks, 4, 3))).astype(
        np.float32
    )
    errors = draw.uniform(0, 2, blocks) * reach

    def add(numbers):
        total = Sums(4, 3, blocks, reach, 2 * reach)
        for n in numbers:
            total.add(parts[n], np.array([1, 0, 2, 1]), errors[n])
        return total

    expected = add(range(blocks))
    assert add(draw.permutation(blocks)).flat.tobytes() == expected.flat.tobytes()
    split = add(range(blocks // 2)).flat + add(range(blocks // 2, blocks)).flat  # what two processes add up to
    assert split.tobytes() == expected.flat.tobytes()
    np.testing.assert_allclose(expected.sums, parts.sum(0, dtype=np.float64), atol=1e-14 * reach * blocks)
    np.testing.assert_allclose(expected.error, errors.sum(), rtol=1e-12)
    assert (expected.counts == blocks * np.array([1, 0, 2, 1])).all()


def test_nothing_adds_up_to_nothing():
    total = Sums(1, 2, 5, 0.0, 0.0)
    total.add(np.zeros((1, 2), np.float32), np.array([5]), 0.0)
    assert total.flat.tolist() == [0, 0, 5, 0]
