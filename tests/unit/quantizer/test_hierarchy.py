import itertools

import numpy as np
import pytest

from refinepoi.core.errors import UserError
from refinepoi.quantizer.hierarchy import Codebooks, at_level, fit_levels
from refinepoi.quantizer.rows import BLOCK
from refinepoi.quantizer.som import BatchSOM


def vectors(rows=700, columns=6, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def trained(x, grids):
    return fit_levels(x, grids, lambda r, level: BatchSOM(*grids[level], epochs=8, sigma_end=0.4).fit(r).weights_)


def test_encode_takes_the_nearest_node_level_by_level():
    x, books = vectors(50), Codebooks(((2, 3), (1, 4)), (vectors(6, seed=1), vectors(4, seed=2)))
    first = ((x[:, None] - books.weights[0]) ** 2).sum(2).argmin(1)
    left = x - books.weights[0][first]
    second = ((left[:, None] - books.weights[1]) ** 2).sum(2).argmin(1)
    assert (books.encode(x) == np.column_stack([first, second])).all()
    np.testing.assert_allclose(books.decode(books.encode(x)), books.weights[0][first] + books.weights[1][second])
    np.testing.assert_allclose(books.residual(x, books.encode(x), 1), left)


def test_each_level_lowers_the_error():
    x = vectors()
    books = trained(x, ((4, 4), (4, 4), (3, 5)))
    codes = books.encode(x)
    errors = [np.square(x - books.decode(codes, levels)).sum() for levels in range(4)]
    assert all(b < 0.85 * a for a, b in itertools.pairwise(errors))


def test_a_level_is_trained_on_what_is_left():
    x, seen = vectors(BLOCK + 10), []

    def fit_level(residual, level):
        seen.append(residual)
        return vectors(4, seed=level + 5)

    books = fit_levels(x, ((2, 2), (2, 2)), fit_level)
    assert seen[0] is x
    np.testing.assert_allclose(seen[1], books.residual(x, books.encode(x), 1), atol=1e-6)


def test_rows_never_seen_are_encoded_like_their_neighbours():
    x = vectors()
    books = trained(x, ((6, 6),))
    near = x + 1e-6
    assert (books.encode(near) == books.encode(x)).mean() > 0.99


def test_other_columns_are_refused():
    with pytest.raises(UserError, match="3 columns"):
        trained(vectors(), ((2, 2),)).encode(np.zeros((1, 3)))


def test_fewer_sigmas_than_levels_are_spread_over_them():
    assert [at_level((0.3, 0.7), level, 3) for level in range(3)] == pytest.approx([0.3, 0.5, 0.7])
    assert [at_level((0.3,), level, 3) for level in range(3)] == [0.3] * 3
    assert [at_level((0.3, 0.2, 0.5), level, 3) for level in range(3)] == [0.3, 0.2, 0.5]
    assert at_level((0.3,), 0, 1) == 0.3
