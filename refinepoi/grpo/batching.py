"""From our words (prompts a step, answers a prompt, most sequences at once) to TRL's (batch a device, accumulation).

One optimizer step sees `prompts_per_step * num_generations` answers; they go through the model in parts that fit
`runtime.micro_batch`. Parts hold whole groups where they can, since a group shares the work on its prompt. The result
does not depend on the parts (a test says so).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refinepoi.core.errors import UserError
from refinepoi.core.seeding import generator


@dataclass(frozen=True)
class Batching:
    """
    part: answers in one forward-backward pass (TRL's per_device_train_batch_size).
    parts: passes in one optimizer step (gradient_accumulation_steps, and steps_per_generation).
    """

    part: int
    parts: int


def plan_batches(prompts_per_step: int, num_generations: int, micro_batch: int, processes: int = 1) -> Batching:
    """The largest parts of equal size within `micro_batch` answers, of whole groups unless a group alone is larger.

    processes: share the prompts of a step equally; parts are those of each.
    """
    if prompts_per_step % processes:
        raise UserError(
            f"grpo.prompts_per_step={prompts_per_step} cannot be shared equally by runtime.processes={processes}; "
            f"use {-(-prompts_per_step // processes) * processes} prompts or "
            f"{_largest_divisor(prompts_per_step, processes)} processes"
        )
    prompts_per_step //= processes
    if micro_batch >= num_generations:
        prompts = _largest_divisor(prompts_per_step, micro_batch // num_generations)
        return Batching(prompts * num_generations, prompts_per_step // prompts)
    part = _largest_divisor(num_generations, micro_batch)
    return Batching(part, prompts_per_step * (num_generations // part))


def require_prompts(available: int, prompts_per_step: int) -> None:
    if available < prompts_per_step:
        raise UserError(
            f"grpo.prompts_per_step={prompts_per_step}, but there are {available} training prompts: "
            f"choose at most {available}"
        )


def plan_prompts(available: int, prompts_per_step: int, batches: int, seed: int) -> npt.NDArray[np.int64]:
    """Which prompt is asked when: rows of the table, int64 [batches * prompts_per_step], different within a batch.

    One plan for the whole run, so that a run that continues asks what it would have asked. All prompts are asked in a
    random order, then all in another order, and so on; what is left of an order and fills no batch is not asked.
    """
    each = available // prompts_per_step
    draw, orders = generator(seed, "prompts"), -(-batches // each)
    planned = [draw.permutation(available)[: each * prompts_per_step] for _ in range(orders)]
    return np.concatenate(planned)[: batches * prompts_per_step]


def _largest_divisor(number: int, limit: int) -> int:
    return max(d for d in range(1, min(number, limit) + 1) if number % d == 0)
