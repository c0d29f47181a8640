"""The estimator: conventions, what must fall, what must not matter, hostile input."""

import copy
import doctest
import itertools
import pickle
import re

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from refinepoi.core.errors import UserError
from refinepoi.quantizer import som as som_module
from refinepoi.quantizer.initial import first_weights
from refinepoi.quantizer.rows import Rows
from refinepoi.quantizer.schedule import Step
from refinepoi.quantizer.som import BatchSOM


def mixture(rows=600, columns=8, seed=0):
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((12, columns)) * 2
    return (centres[draw.integers(0, 12, rows)] + 0.3 * draw.standard_normal((rows, columns))).astype(np.float32)


def test_the_docstring_example_runs():
    result = doctest.testmod(som_module)
    assert result.attempted >= 5
    assert result.failed == 0


def test_quantization_error_falls():
    errors = BatchSOM(8, 8, epochs=20).fit(mixture()).quantization_errors_
    assert errors[-1] < 0.4 * errors[0]
    assert all(b <= a * 1.02 for a, b in itertools.pairwise(errors))


def test_reported_error_is_the_mean_distance_to_the_winner():
    x = mixture()
    som = BatchSOM(5, 6, epochs=3).fit(x)
    som.start(Rows.survey(x), som.weights_)
    total = som.begin(Step(5, 6, 1.0))
    som.accumulate(total, 0)
    gaps = np.linalg.norm(x - som.weights_[som.predict(x)], axis=1)
    assert total.error / len(x) == pytest.approx(gaps.mean(), rel=1e-4)


def test_the_order_of_rows_does_not_matter():
    x = mixture()
    a = BatchSOM(6, 6, epochs=10).fit(x)
    b = BatchSOM(6, 6, epochs=10).fit(x[np.random.default_rng(1).permutation(len(x))])
    np.testing.assert_allclose(a.weights_, b.weights_, atol=2e-4)


def test_two_runs_are_equal_byte_for_byte():
    a, b = (BatchSOM(6, 6, epochs=5, init=init, seed=3).fit(mixture()) for init in ("sample", "sample"))
    assert a.weights_.tobytes() == b.weights_.tobytes()
    assert BatchSOM(6, 6, epochs=5, init="sample", seed=4).fit(mixture()).weights_.tobytes() != a.weights_.tobytes()


def test_threads_do_not_change_a_byte():
    x, before = mixture(3000, 40), torch.get_num_threads()
    maps = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            maps.append(BatchSOM(12, 12, epochs=10).fit(x).weights_.tobytes())
    finally:
        torch.set_num_threads(before)
    assert maps[0] == maps[1]


def test_a_sheet_is_laid_out_without_folds():
    draw = np.random.default_rng(0)
    flat = draw.random((2000, 2)) * [2, 1]
    x = flat @ np.linalg.qr(draw.standard_normal((10, 10)))[0][:2]
    som = BatchSOM(8, 16, epochs=20, sigma_end=0.5).fit(x)
    place = som.transform(x).astype(float)
    for axis, side in ((1, 0), (0, 1)):  # long side of the sheet along the long side of the grid
        assert abs(np.corrcoef(place[:, axis], flat[:, side])[0, 1]) > 0.97


def test_topologies_and_starts_train():
    for settings in ({"topology": "toroidal"}, {"topology": "hexagonal"}, {"init": "random"}, {"decay": "cosine"}):
        errors = BatchSOM(6, 6, epochs=15, **settings).fit(mixture()).quantization_errors_
        assert errors[-1] < 0.6 * errors[0], settings


def test_training_starts_from_the_first_weights():
    rows, som = Rows.survey(mixture()), BatchSOM(5, 6, init="sample", seed=2)
    som.start(rows)
    expected = first_weights(rows, som.lattice, "sample", 2) + rows.mean
    np.testing.assert_allclose(som.weights_, expected, rtol=1e-6, atol=1e-6)
    assert som.sigmas_[0] == pytest.approx(6 / 4)
    som.start(rows, np.arange(30 * 8))
    assert (som.weights_.ravel() == np.arange(30 * 8)).all()


def test_scikit_learn_conventions():
    som = BatchSOM(4, 5, epochs=7)
    assert BatchSOM(**som.get_params()).get_params() == som.get_params()
    assert som.set_params(width=6) is som
    assert "width=6" in repr(som)
    with pytest.raises(UserError, match="no parameter"):
        som.set_params(breadth=6)
    x = mixture()
    codes = som.fit(x).predict(x)
    assert codes.dtype == np.int32
    assert (som.transform(x) == np.stack(np.divmod(codes, 6), 1)).all()
    assert (som.fit_predict(x) == codes).all()
    assert (som.inverse_transform(codes) == som.weights_[codes]).all()


def test_what_was_fitted_outlives_new_settings():
    x = mixture()
    som = BatchSOM(4, 6, epochs=2).fit(x)
    before = som.transform(x)
    assert (som.set_params(width=3).transform(x) == before).all()


@pytest.mark.parametrize("ask", ["predict", "transform", "inverse_transform"])
def test_a_map_that_is_not_fitted_says_so(ask):
    with pytest.raises(NotFittedError, match="call fit first"):
        getattr(BatchSOM(4, 4), ask)(np.zeros((2, 3), int))


def test_the_least_sigma_leaves_no_neighbourhood_and_no_warning():
    x = mixture()
    som = BatchSOM(4, 4, epochs=30, sigma_end=0.01).fit(x)
    codes = som.predict(x)
    for node in set(codes.tolist()):
        np.testing.assert_allclose(som.weights_[node], x[codes == node].mean(0), atol=0.1)


def test_wrong_settings_are_named():
    numbers = {"height": 0, "epochs": 0, "sigma_end": 0.0, "sigma_start": -1.0, "batch_rows": 0, "seed": -1}
    names = {"topology": "round", "decay": "slow", "init": "zero", "schedule": "fast", "search": "far", "device": "tpu"}
    types = [("height", "4"), ("width", 2.5), ("epochs", True), ("sigma_end", "a"), ("sigma_end", 1e-200),
             ("sigma_start", [1.0]), ("batch_rows", 2.5)]  # fmt: skip
    for name, value in [*(numbers | names).items(), *types]:
        with pytest.raises(UserError, match=re.escape(f"{name}={value!r}")):
            BatchSOM(**{name: value}).fit(mixture())
    for other in ({"schedule": "multi_resolution"}, {"search": "local"}):
        with pytest.raises(UserError, match="batch_rows=100 goes with"):
            BatchSOM(batch_rows=100, **other).fit(mixture())


OPTIONS = {
    "plain": {},
    "multi_resolution": {"schedule": "multi_resolution"},
    "local": {"search": "local"},
    "batches": {"batch_rows": 150},
}


def test_scikit_learn_can_clone_it_and_chain_it():
    base = pytest.importorskip("sklearn.base")
    pipeline = pytest.importorskip("sklearn.pipeline")
    scaling = pytest.importorskip("sklearn.preprocessing")
    som = BatchSOM(4, 5, epochs=7, schedule="multi_resolution", sigma_start=3.0).fit(mixture())
    fresh = base.clone(som)
    assert fresh.get_params() == som.get_params()
    assert not hasattr(fresh, "weights_")
    chain = pipeline.make_pipeline(scaling.StandardScaler(), fresh)
    assert chain.fit_transform(mixture()).shape == (600, 2)
    assert chain.predict(mixture()).max() < 20


def test_a_fitted_map_can_be_copied_and_pickled():
    x = mixture()
    som = BatchSOM(4, 5, epochs=3).fit(x)
    for other in (copy.deepcopy(som), pickle.loads(pickle.dumps(som))):  # noqa: S301
        assert (other.predict(x) == som.predict(x)).all()


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("topology", ["rectangular", "toroidal", "hexagonal"])
def test_every_option_ends_near_the_plain_map(options, topology):
    x = mixture(3000)
    plain = BatchSOM(12, 14, topology=topology).fit(x)
    som = BatchSOM(12, 14, topology=topology, **options).fit(x)
    assert som.weights_.shape == plain.weights_.shape
    assert len(som.quantization_errors_) == len(som.sigmas_) == 20
    assert som.sigmas_[-1] == pytest.approx(0.5)
    left = [np.square(x - one.weights_[one.predict(x)]).sum() for one in (plain, som)]
    assert left[1] < 1.05 * left[0]


def test_batches_weigh_one_pass_of_rows():
    """One node: each update is the mean of the rows seen, older batches fading by (1 - 1 / batches)."""
    x = np.arange(8, dtype=np.float32)[:, None]
    som = BatchSOM(1, 1, epochs=1, batch_rows=4).fit(x)  # batches 0 2 4 6 and 1 3 5 7
    assert som.weights_[0, 0] == pytest.approx((0.5 * 12 + 16) / (0.5 * 4 + 4))
    assert som.quantization_errors_[0] == pytest.approx((np.abs(x[::2] - 3.5).sum() + np.abs(x[1::2] - 3).sum()) / 8)


def test_batches_get_there_in_fewer_passes():
    x = mixture(3000)
    whole, batches = BatchSOM(8, 8, epochs=3).fit(x), BatchSOM(8, 8, epochs=3, batch_rows=300).fit(x)
    left = [np.square(x - som.weights_[som.predict(x)]).sum() for som in (whole, batches)]
    assert left[1] < 0.98 * left[0]
