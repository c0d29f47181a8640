import numpy as np
import pytest

from refinepoi.quantizer.schedule import FULL_PASSES, ROWS_PER_NODE, Step, multi_resolution, plain, sigmas


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


def test_batches_of_an_epoch_take_every_row_once():
    epochs = plain(6, 5, 4.0, 0.5, 3, "exponential", 4)
    assert len(epochs) == 3
    for steps in epochs:
        assert sorted(n for step in steps for n in range(103)[step.offset :: step.stride]) == list(range(103))
    values = [step.sigma for steps in epochs for step in steps]
    np.testing.assert_allclose(values, sigmas(4.0, 0.5, 12))
    assert {step.keep for steps in epochs for step in steps} == {0.75}
    assert plain(6, 5, 4.0, 0.5, 1, "linear", 1) == [[Step(6, 5, 0.5)]]


@pytest.mark.parametrize(("height", "width"), [(16, 16), (32, 32), (8, 40), (5, 7), (1, 30), (2, 2), (1, 1)])
@pytest.mark.parametrize("rows", [1, 500, 50_000])
@pytest.mark.parametrize("epochs", [1, 2, 4, 20])
def test_grids_and_rows_grow_to_the_whole(height, width, rows, epochs):
    steps = [
        step for (step,) in multi_resolution(height, width, max(height, width) / 4, 0.5, epochs, "exponential", rows)
    ]
    assert len(steps) == epochs
    for step in steps[-FULL_PASSES:]:
        assert (step.height, step.width, step.stride, step.offset) == (height, width, 1, 0)
    nodes = [step.height * step.width for step in steps]
    seen = [len(range(rows)[step.offset :: step.stride]) for step in steps]
    assert nodes == sorted(nodes)
    assert min(seen) >= 1
    strides = [step.stride for step in steps]
    assert strides == sorted(strides, reverse=True)
    for step, count in zip(steps, seen, strict=True):
        assert step.stride == 1 or count >= min(rows, ROWS_PER_NODE * step.height * step.width)


@pytest.mark.parametrize("side", [16, 32, 64])
def test_the_cost_is_a_third_of_plain_epochs(side):
    rows = 200_000
    steps = [step for (step,) in multi_resolution(side, side, side / 4, 0.5, 20, "exponential", rows)]
    cost = sum(step.height * step.width * len(range(rows)[step.offset :: step.stride]) for step in steps)
    assert cost / (20 * side * side * rows) < 0.35
    assert steps[0].height < side
