"""Our words into TRL's: every answer of a step exactly once, in the largest parts that fit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinepoi.core.errors import UserError
from refinepoi.grpo.batching import Batching, plan_batches, plan_prompts, require_prompts


@pytest.mark.parametrize(
    ("prompts", "group", "micro_batch", "expected"),
    [
        (16, 8, 128, Batching(128, 1)),
        (16, 8, 127, Batching(64, 2)),
        (16, 8, 32, Batching(32, 4)),
        (16, 8, 8, Batching(8, 16)),
        (16, 8, 7, Batching(4, 32)),  # a group in two parts
        (16, 8, 1, Batching(1, 128)),
        (7, 4, 9, Batching(4, 7)),
        (1, 2, 1000, Batching(2, 1)),
    ],
)
def test_by_hand(prompts: int, group: int, micro_batch: int, expected: Batching) -> None:
    assert plan_batches(prompts, group, micro_batch) == expected


@given(st.integers(1, 40), st.integers(2, 16), st.integers(1, 400))
def test_parts_fit_and_hold_everything(prompts: int, group: int, micro_batch: int) -> None:
    plan = plan_batches(prompts, group, micro_batch)
    assert plan.part * plan.parts == prompts * group
    assert 1 <= plan.part <= micro_batch
    assert plan.part % group == 0 or group % plan.part == 0  # whole groups, or equal shares of one


def test_too_few_prompts_are_refused() -> None:
    require_prompts(4, 4)
    with pytest.raises(UserError, match=r"prompts_per_step=5.*4 training prompts"):
        require_prompts(4, 5)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 20), st.integers(0, 3))
def test_every_prompt_is_asked_before_one_is_asked_again(available: int, asked: int, batches: int, seed: int) -> None:
    step = min(asked, available)
    plan = plan_prompts(available, step, batches, seed)
    assert plan.shape == (batches * step,) and plan.min() >= 0 and plan.max() < available
    by_batch = plan.reshape(batches, step)
    for first in range(0, batches, available // step):  # one order of all prompts
        order = by_batch[first : first + available // step].ravel()
        assert len(set(order.tolist())) == len(order)
    np.testing.assert_array_equal(plan_prompts(available, step, batches + 3, seed)[: len(plan)], plan)


def test_orders_differ_between_passes_and_seeds() -> None:
    plan = plan_prompts(24, 4, 12, 0)
    assert sorted(plan[:24]) == sorted(plan[24:]) == list(range(24))
    assert plan[:24].tolist() != plan[24:].tolist() != plan_prompts(24, 4, 12, 1)[24:].tolist()
