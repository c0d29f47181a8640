"""The batch SOM against ten lines of NumPy and against the minisom package, on the same sigmas and start."""

import numpy as np
import pytest
from minisom import MiniSom

from refinepoi.quantizer.minisom_backend import fit_minisom
from refinepoi.quantizer.rows import Rows
from refinepoi.quantizer.schedule import Step
from refinepoi.quantizer.som import BatchSOM


def blobs(rows, columns, seed=0):
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((15, columns))
    return (centres[draw.integers(0, 15, rows)] + 0.4 * draw.standard_normal((rows, columns))).astype(np.float32)


def reference(x, weights, height, width, sigmas):
    """Equations of docs/method.md section 3 as they stand, in float64."""
    x = x.astype(np.float64)
    rows, columns = np.divmod(np.arange(height * width), width)
    squares = (rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2
    for sigma in sigmas:
        winners = ((x[:, None] - weights[None]) ** 2).sum(2).argmin(1)
        h = np.exp(-squares[:, winners] / (2 * sigma**2))
        weights = h @ x / h.sum(1, keepdims=True)
    return weights


@pytest.mark.parametrize(("height", "width"), [(6, 6), (4, 9), (1, 12)])
@pytest.mark.parametrize("end", [0.3, 0.5, 0.9])
def test_equals_the_equations(height, width, end):
    x = blobs(800, 6)
    som = BatchSOM(height, width, epochs=12, sigma_end=end)
    som.start(Rows.survey(x))
    expected = reference(x, som.weights_.astype(np.float64), height, width, som.sigmas_)
    assert np.abs(som.fit(x).weights_ - expected).max() <= 1e-5


def test_nodes_far_from_all_rows_follow_the_nearest_hit():
    """Two rows on a long map: most nodes are reached by weights of 1e-20 to 1e-110 only, and take the mean of those."""
    x = blobs(2, 6, seed=5)
    som = BatchSOM(1, 8, epochs=4, sigma_end=0.3)
    som.start(Rows.survey(x))
    expected = reference(x, som.weights_.astype(np.float64), 1, 8, som.sigmas_)
    assert np.abs(som.fit(x).weights_ - expected).max() <= 1e-5


def through_minisom(x, start, height, width, sigmas):
    """MiniSom.train_batch_offline, one iteration per sigma: at iteration 0 its decays return the start sigma."""
    som = MiniSom(height, width, x.shape[1], sigma=float(sigmas[0]), learning_rate=1.0)
    som._weights[:] = start.reshape(height, width, -1)
    for sigma in sigmas:
        som._sigma = float(sigma)
        som.train_batch_offline(x.astype(np.float64), 1)
    return som.get_weights().reshape(height * width, -1)


@pytest.mark.parametrize(("height", "width"), [(6, 6), (3, 8)])
def test_equals_train_batch_offline_on_our_sigmas(height, width):
    x = blobs(400, 6, seed=1)
    som = BatchSOM(height, width, epochs=8)
    som.start(Rows.survey(x))
    expected = through_minisom(x, som.weights_, height, width, som.sigmas_)
    assert np.abs(som.fit(x).weights_ - expected).max() <= 1e-5


def test_equals_train_batch_offline_on_its_own_sigmas():
    """MiniSom 2.3.6, `asymptotic_decay`: sigma_t = sigma_0 / (1 + t / (T / 2)), so it ends near sigma_0 / 3."""
    x, epochs, start = blobs(400, 6, seed=2), 8, 2.0
    som = BatchSOM(6, 6, epochs=epochs)
    som.start(Rows.survey(x))
    theirs = MiniSom(6, 6, x.shape[1], sigma=start, learning_rate=1.0, decay_function=lambda rate, t, last: rate)
    theirs._weights[:] = som.weights_.reshape(6, 6, -1)
    theirs.train_batch_offline(x.astype(np.float64), epochs)
    for t in range(epochs):
        total = som.begin(Step(6, 6, start / (1 + t / (epochs / 2))))
        som.accumulate(total, 0)
        som.update(total)
    assert np.abs(som.weights_ - theirs.get_weights().reshape(36, -1)).max() <= 1e-5


def test_the_minisom_backend_is_the_package_on_our_sigmas():
    x = blobs(300, 5, seed=3)
    seen = []
    found = fit_minisom(
        x, (5, 4), training="batch_offline", epochs=6, init="pca", sigma_start=1.25, sigma_end=0.5, learning_rate=0.5,
        seed=0, on_epoch=lambda epoch, error, sigma: seen.append((epoch, error, sigma)),
    )  # fmt: skip
    som = MiniSom(5, 4, 5)
    som.pca_weights_init(x.astype(np.float64))
    sigmas = 1.25 * (0.5 / 1.25) ** np.linspace(0, 1, 6)
    np.testing.assert_allclose(found, through_minisom(x, som.get_weights(), 5, 4, sigmas), atol=1e-6)
    np.testing.assert_allclose([sigma for _, _, sigma in seen], sigmas)
    assert seen[-1][1] < seen[0][1]
