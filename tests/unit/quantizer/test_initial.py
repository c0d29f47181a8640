"""First weights: a plane through the data, deterministic in place and sign."""

import numpy as np
import pytest

from refinepoi.quantizer.initial import first_weights
from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.rows import Rows


def ellipsoid():
    """Deviations of 5, 3 and 1 along turned axes, and those axes."""
    draw = np.random.default_rng(0)
    axes = np.linalg.qr(draw.standard_normal((4, 3)))[0].T
    scores = draw.standard_normal((4000, 3))
    scores -= scores.mean(0)
    scores /= np.sqrt(np.diag(np.linalg.qr(scores)[1].T @ np.linalg.qr(scores)[1]) / 4000)
    return (scores * [5, 3, 1]) @ axes + 7, axes


@pytest.mark.parametrize(("height", "width"), [(9, 5), (5, 9), (5, 5)])
def test_the_plane_spans_two_deviations_along_the_components(height, width):
    x, axes = ellipsoid()
    plane = first_weights(Rows.survey(x), Lattice(height, width), "pca", 0).reshape(height, width, -1)
    long, short = (plane[-1] - plane[0], plane[:, -1] - plane[:, 0])
    if width > height:
        long, short = short, long
    for edge, axis, deviation in ((long[0], axes[0], 5), (short[0], axes[1], 3)):
        assert np.linalg.norm(edge) == pytest.approx(4 * deviation, rel=0.05)
        assert abs(edge @ axis) / np.linalg.norm(edge) > 0.99
        assert edge[np.abs(edge).argmax()] > 0  # the sign convention
    np.testing.assert_allclose(plane.mean((0, 1)), 0, atol=1e-6)


def test_the_plane_is_mirrored_with_the_data_only_as_the_sign_convention_says():
    x, _ = ellipsoid()
    plane = first_weights(Rows.survey(x), Lattice(4, 4), "pca", 0)
    mirrored = first_weights(Rows.survey(14 - x), Lattice(4, 4), "pca", 0)
    np.testing.assert_allclose(plane, mirrored, atol=1e-6)


def test_samples_are_rows_and_noise_has_their_spread():
    x, _ = ellipsoid()
    rows = Rows.survey(x)
    drawn = first_weights(rows, Lattice(3, 4), "sample", 5) + rows.mean
    assert all((np.abs(x - node).sum(1) < 1e-4).any() for node in drawn)
    assert len(np.unique(drawn, axis=0)) == 12
    noise = first_weights(rows, Lattice(40, 50), "random", 5)
    np.testing.assert_allclose(noise.std(0), x.std(0), rtol=0.1)
    few = Rows.survey(x[:3])
    assert len(first_weights(few, Lattice(3, 4), "sample", 5)) == 12
