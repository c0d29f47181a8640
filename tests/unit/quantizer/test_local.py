"""The tile-local search: exact among the nodes it looks at, and a map nearly as good at the end."""

import numpy as np
import pytest

from refinepoi.quantizer import local
from refinepoi.quantizer.hierarchy import search_of
from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.local import MARGIN, TILE, LocalSearch
from refinepoi.quantizer.som import BatchSOM

LONG = 100.0


def sheet(rows, columns=6, seed=0):
    draw = np.random.default_rng(seed)
    flat = draw.random((rows, 2)) * 2 - 1
    return (
        np.sin(flat @ draw.standard_normal((2, columns)) * 2) + 0.05 * draw.standard_normal((rows, columns))
    ).astype(np.float32)


@pytest.mark.parametrize("topology", ["rectangular", "toroidal"])
@pytest.mark.parametrize("shape", [(20, 30), (5, 40), (17, 9)])
def test_the_nearest_of_the_tile_and_its_margin(topology, shape):
    draw, lattice = np.random.default_rng(1), Lattice(*shape, topology)
    weights, x = draw.standard_normal((lattice.nodes, 6)).astype(np.float32), sheet(300)
    near = draw.integers(0, lattice.nodes, 300).astype(np.int32)
    codes, scores = LocalSearch(search_of(weights), lattice).nearest(x, near, LONG)
    distances = np.square(x[:, None].astype(np.float64) - weights).sum(2)
    away = []
    for span, cells, last in zip(
        np.divmod(np.arange(lattice.nodes), shape[1]), shape, np.divmod(near, shape[1]), strict=True
    ):
        low = last // TILE * TILE
        reached = low[:, None] - MARGIN + np.arange(TILE + 2 * MARGIN)
        reached[reached >= np.minimum(low + TILE, cells)[:, None] + MARGIN] = -99  # the last tile may be narrower
        if topology == "toroidal":
            reached = np.where(reached == -99, -99, reached % cells)
        away.append((reached[:, :, None] != span).all(1))
    distances[away[0] | away[1]] = np.inf
    assert (codes == distances.argmin(1)).all()
    exact = search_of(weights).nearest(x)
    same = codes == exact[0]
    assert same.sum() < 300
    np.testing.assert_allclose(scores[same], exact[1][same], atol=1e-6)


@pytest.mark.parametrize("topology", ["rectangular", "toroidal", "hexagonal"])
def test_a_map_trained_locally_is_nearly_as_good(topology):
    x = sheet(6000)
    plain = BatchSOM(40, 40, epochs=8, topology=topology).fit(x)
    near = BatchSOM(40, 40, epochs=8, topology=topology, search="local").fit(x)
    assert near.weights_.tobytes() != plain.weights_.tobytes()

    def left(som):
        return np.square(x - som.weights_[som.predict(x)]).sum()

    assert left(near) < 1.03 * left(plain)


def test_the_first_and_the_last_pass_are_exact(monkeypatch):
    passes = []
    monkeypatch.setattr(local.LocalSearch, "nearest", spy(local.LocalSearch.nearest, passes))
    x = sheet(500)
    som = BatchSOM(20, 20, epochs=5, search="local").fit(x)
    assert len(passes) == 3
    assert som.quantization_errors_[-1] == pytest.approx(
        BatchSOM(20, 20, epochs=5).fit(x).quantization_errors_[-1], rel=0.05
    )


def spy(method, calls):
    def wrapped(*arguments):
        calls.append(arguments)
        return method(*arguments)

    return wrapped
