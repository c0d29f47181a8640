import numpy as np
import pytest

from refinepoi.quantizer.schedule import sigmas


@pytest.mark.parametrize("decay", ["exponential", "linear", "cosine"])
def test_runs_from_start_to_end_without_rising(decay):
    values = sigmas(4.0, 0.5, 20, decay)
    assert values[0] == pytest.approx(4.0)
    assert values[-1] == pytest.approx(0.5)
    assert (np.diff(values) < 0).all()


def test_exponential_by_hand():
    np.testing.assert_allclose(sigmas(4.0, 0.25, 5), [4, 2, 1, 0.5, 0.25])


def test_linear_and_cosine_meet_half_way():
    assert sigmas(4.0, 1.0, 3, "linear")[1] == pytest.approx(2.5)
    assert sigmas(4.0, 1.0, 3, "cosine")[1] == pytest.approx(2.5)


def test_one_epoch_uses_the_last_sigma_and_a_low_start_is_raised():
    assert sigmas(4.0, 0.5, 1).tolist() == [0.5]
    assert sigmas(0.1, 0.5, 3).tolist() == [0.5, 0.5, 0.5]
