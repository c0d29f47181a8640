"""Resampled means against a loop over the drawn rows, and intervals against the normal approximation."""

import numpy as np
import pytest

from refinepoi.evaluation.bootstrap import interval, resampled_means


def test_each_resample_is_the_mean_of_whole_clusters_drawn_with_replacement() -> None:
    draw = np.random.default_rng(0)
    values = draw.random((9, 2))
    clusters = np.array([5, 5, 7, 2, 2, 2, 7, 9, 9])
    got = resampled_means(values, clusters, 40, np.random.default_rng(3))
    drawn = np.random.default_rng(3).integers(4, size=(40, 4))
    members = [np.flatnonzero(clusters == name) for name in (2, 5, 7, 9)]
    for row, units in zip(got, drawn, strict=True):
        rows = np.concatenate([members[u] for u in units])
        np.testing.assert_allclose(row, values[rows].mean(0), rtol=1e-12)


def test_chunks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random((50, 3))
    whole = resampled_means(values, None, 30, np.random.default_rng(2))
    monkeypatch.setattr("refinepoi.evaluation.bootstrap.CHUNK", 7 * 50)
    parts = resampled_means(values, None, 30, np.random.default_rng(2))
    np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_interval_has_the_width_of_the_standard_error() -> None:
    """1,348 samples at Acc@1 .375: standard error .0132 (docs/method.md section 4)."""
    values = (np.arange(1348) < 0.375 * 1348).astype(np.float64)[:, None]
    low, high = interval(resampled_means(values, None, 4000, np.random.default_rng(0)), 0.95)[0]
    assert abs((high - low) / (2 * 1.96) - 0.01318) < 0.0006
    assert low < 0.375 < high


def test_clusters_widen_the_interval_of_samples_that_agree_within_them() -> None:
    users = np.repeat(np.arange(100), 10)
    values = np.repeat(np.random.default_rng(1).random(100) < 0.4, 10).astype(np.float64)[:, None]
    ends = [interval(resampled_means(values, c, 2000, np.random.default_rng(0)), 0.95)[0] for c in (None, users)]
    widths = [high - low for low, high in ends]
    assert 2.6 < widths[1] / widths[0] < 3.8  # sqrt(10) = 3.16


def test_constant_columns_have_no_width() -> None:
    ends = interval(resampled_means(np.ones((5, 1)), None, 200, np.random.default_rng(0)), 0.95)
    assert ends.tolist() == [[1.0, 1.0]]
