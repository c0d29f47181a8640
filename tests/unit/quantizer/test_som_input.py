"""What a map does with hostile input: not finite, far from zero, few, equal, huge, tiny, of any type and layout."""

import numpy as np
import pytest

from refinepoi.core.errors import DataError, UserError
from refinepoi.quantizer.rows import BLOCK
from refinepoi.quantizer.som import BatchSOM

OPTIONS = {
    "plain": {},
    "multi_resolution": {"schedule": "multi_resolution"},
    "local": {"search": "local"},
    "batches": {"batch_rows": 150},
}


def mixture(rows=600, columns=8, seed=0):
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((12, columns)) * 2
    return (centres[draw.integers(0, 12, rows)] + 0.3 * draw.standard_normal((rows, columns))).astype(np.float32)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_named(bad):
    x = mixture(BLOCK + 50)
    x[BLOCK + 7, 3] = bad
    with pytest.raises(DataError, match=f"row {BLOCK + 7} "):
        BatchSOM(3, 3).fit(x)
    som = BatchSOM(3, 3, epochs=2).fit(mixture())
    with pytest.raises(DataError, match=f"row {BLOCK + 7} "):
        som.predict(x)


def test_float64_beyond_float32_is_refused():
    with pytest.raises(DataError, match="row 0 is not finite"):
        BatchSOM(2, 2).fit(np.array([[1e300, 0], [0, 1]]))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (), (3,), (2, 2, 2)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(DataError, match="shape"):
        BatchSOM(2, 2).fit(np.zeros(shape))
    with pytest.raises(DataError, match="shape"):
        BatchSOM(2, 2, epochs=1).fit(mixture(9)).predict(np.zeros(shape))


def test_text_is_refused():
    for wrong in ([["a", "b"]], [[1j]], [[None, 1.0]]):
        with pytest.raises(DataError, match="type"):
            BatchSOM(2, 2).fit(np.array(wrong))


def test_other_columns_than_trained_are_refused():
    som = BatchSOM(2, 2, epochs=2).fit(mixture(columns=4))
    with pytest.raises(UserError, match="5 columns"):
        som.predict(np.zeros((2, 5)))


def test_numbers_beyond_use_are_refused_and_the_limits_work():
    x = mixture()
    x[17, 2] = 2e30
    with pytest.raises(DataError, match="row 17 is not finite or larger than 1e"):
        BatchSOM(2, 2).fit(x)
    with pytest.raises(DataError, match="multiply them"):
        BatchSOM(2, 2).fit(mixture() * np.float32(1e-32))
    plain = BatchSOM(6, 6, epochs=5).fit(mixture())
    for size in (2.0**-97, 2.0**96):  # powers of two: every figure scales exactly
        x = mixture() * np.float32(size)
        assert (BatchSOM(6, 6, epochs=5).fit(x).predict(x) == plain.predict(mixture())).all()


def test_one_row_far_out_does_not_spoil_the_others():
    x = mixture()
    x[5] = 1e6
    som = BatchSOM(6, 6, epochs=20, sigma_end=0.3).fit(x)
    codes = som.predict(x)
    assert (codes == codes[5]).sum() == 1
    assert np.isfinite(som.weights_).all()


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_fewer_rows_than_cells(rows, options):
    x = mixture(rows)
    som = BatchSOM(6, 6, epochs=20, sigma_end=0.3, **options).fit(x)
    assert np.isfinite(som.weights_).all()
    np.testing.assert_allclose(som.weights_[som.predict(x)], x, atol=0.15)


def test_duplicates_share_a_cell_and_one_value_alone_is_met():
    som = BatchSOM(4, 4, epochs=10)
    x = np.repeat(mixture(3), 50, axis=0)
    codes = som.fit_predict(x)
    assert all(len(set(codes[n * 50 : (n + 1) * 50].tolist())) == 1 for n in range(3))
    same = np.full((40, 5), 2.5, np.float32)
    assert np.abs(som.fit(same).weights_ - 2.5).max() < 1e-6
    assert set(som.predict(same).tolist()) == {0}


def test_constant_columns_change_nothing():
    x = mixture()
    wide = np.column_stack([x, np.full(len(x), 7.0, np.float32)])
    a, b = BatchSOM(6, 6, epochs=10).fit(x), BatchSOM(6, 6, epochs=10).fit(wide)
    np.testing.assert_allclose(b.weights_[:, :-1], a.weights_, atol=1e-3)
    np.testing.assert_allclose(b.weights_[:, -1], 7.0, rtol=1e-6)


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_huge_and_tiny_values_give_the_same_map(size):
    x = mixture()
    plain, scaled = BatchSOM(6, 6, epochs=10).fit(x), BatchSOM(6, 6, epochs=10).fit(x.astype(np.float64) * size)
    assert (plain.predict(x) == scaled.predict(x.astype(np.float64) * size)).mean() > 0.99
    assert scaled.quantization_errors_[-1] == pytest.approx(plain.quantization_errors_[-1] * size, rel=1e-3)


def test_types_and_layouts_give_the_same_map():
    x = mixture().astype(np.float16)
    expected = BatchSOM(5, 5, epochs=5).fit(x.astype(np.float32)).weights_
    wide = np.zeros((len(x), 16), np.float32)
    wide[:, ::2] = x
    fixed = x.astype(np.float32)
    fixed.setflags(write=False)
    layouts = (
        x,
        fixed,
        fixed[::-1][::-1],
        x.astype(np.float64),
        np.asfortranarray(x.astype(np.float32)),
        wide[:, ::2],
        x.astype(np.float32)[:],
    )
    for given in layouts:
        assert BatchSOM(5, 5, epochs=5).fit(given).weights_.tobytes() == expected.tobytes()
    assert BatchSOM(5, 5, epochs=5).fit(x.astype(np.float32).tolist()).weights_.tobytes() == expected.tobytes()
    whole = np.arange(60).reshape(20, 3)
    assert np.isfinite(BatchSOM(2, 2, epochs=3).fit(whole).weights_).all()


def test_one_column_and_one_cell():
    line = np.linspace(0, 1, 100)[:, None]
    nodes = BatchSOM(1, 10, epochs=20).fit(line).weights_[:, 0]
    assert (np.diff(nodes) > 0).all() or (np.diff(nodes) < 0).all()
    np.testing.assert_allclose(BatchSOM(1, 1, epochs=2).fit(line).weights_, [[0.5]], atol=1e-6)


@pytest.mark.parametrize("offset", [1e8, 1e12, -1e15])
def test_rows_that_float32_cannot_tell_apart_are_refused(offset):
    x = mixture().astype(np.float64) + offset
    with pytest.raises(DataError, match=r"from zero and, as float32, .*subtract the mean first, in float64"):
        BatchSOM(4, 4).fit(x)
    assert len(set(BatchSOM(4, 4).fit_predict(x - x.mean(0)).tolist())) > 10


def test_rows_that_float32_tells_apart_or_that_are_all_the_same_are_not():
    x = mixture().astype(np.float64)
    near = BatchSOM(6, 6, epochs=10).fit(x + 1e3).predict(x + 1e3)
    assert (near == BatchSOM(6, 6, epochs=10).fit(x).predict(x)).mean() > 0.98
    assert set(BatchSOM(4, 4).fit_predict(np.full((50, 3), 1e9 + 0.1)).tolist()) == {0}
