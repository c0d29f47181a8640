"""Our words into TRL's: every answer of a step exactly once, in the largest parts that fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinepoi.core.errors import UserError
from refinepoi.grpo.batching import Batching, plan_batches, require_prompts


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
