import numpy as np
import pytest

from refinepoi.core.errors import UserError
from refinepoi.quantizer.hierarchy import Codebooks
from refinepoi.quantizer.kmeans import fit_kmeans
from refinepoi.quantizer.opq import fit_opq

GRIDS = ((4, 4), (3, 4))


def rows(count=600, columns=8, seed=0):
    """Correlated columns, two of them carrying most of the variance."""
    draw = np.random.default_rng(seed)
    size = np.array([5, 4, *np.linspace(1, 0.3, columns - 2)])
    turn = np.linalg.qr(draw.standard_normal((columns, columns)))[0]
    return ((draw.standard_normal((count, columns)) * size) @ turn + 3).astype(np.float32)


def left(x, books):
    return float(np.square(x - books.decode(books.encode(x))).sum())


def test_levels_are_orthogonal_parts_and_coding_level_by_level_is_the_search_part_by_part():
    x = rows()
    books = fit_opq(x, GRIDS, rotations=5, iterations=20, seed=0)
    codes = books.encode(x)
    assert np.abs(books.weights[0] @ books.weights[1].T).max() < 1e-3 * np.abs(books.weights[0]).max() ** 2
    for level, weights in enumerate(books.weights):
        basis = np.linalg.svd(weights.astype(np.float64), full_matrices=False)[2][:4]  # the part's four axes
        away = ((x @ basis.T)[:, None] - (weights @ basis.T)[None]) ** 2
        assert (away.sum(2).argmin(1) == codes[:, level]).mean() > 0.999


def test_the_rotation_is_worth_it():
    x = rows()
    plain = []  # product quantization of the columns as they come
    for level, part in enumerate(np.array_split(np.arange(8), 2)):
        centres = np.zeros((np.prod(GRIDS[level]), 8), np.float32)
        centres[:, part] = fit_kmeans(x[:, part].copy(), len(centres), iterations=50, seed=0, level=level)
        plain.append(centres)
    start = left(x, fit_opq(x, GRIDS, rotations=0, iterations=50, seed=0))
    full = left(x, fit_opq(x, GRIDS, rotations=20, iterations=50, seed=0))
    assert full < start
    assert full < 0.7 * left(x, Codebooks(GRIDS, tuple(plain)))


def test_grids_may_differ_and_columns_need_not_divide_evenly():
    x = rows(columns=7)
    books = fit_opq(x, ((5, 1), (2, 3), (3, 3)), rotations=2, iterations=5, seed=0)
    assert [len(weights) for weights in books.weights] == [5, 6, 9]
    assert (books.encode(x).max(0) < [5, 6, 9]).all()


def test_more_levels_than_columns_are_refused():
    with pytest.raises(UserError, match=r"quantizer.levels: 2 levels, but vectors of 1 columns"):
        fit_opq(rows()[:, :1].copy(), GRIDS, rotations=1, iterations=1, seed=0)
