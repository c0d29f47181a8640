"""From our words (prompts a step, answers a prompt, most sequences at once) to TRL's (batch a device, accumulation).

One optimizer step sees `prompts_per_step * num_generations` answers; they go through the model in parts that fit
`runtime.micro_batch`. Parts hold whole groups where they can, since a group shares the work on its prompt. The result
does not depend on the parts (a test says so).
"""

from dataclasses import dataclass

from refinepoi.core.errors import UserError


@dataclass(frozen=True)
class Batching:
    """
    part: answers in one forward-backward pass (TRL's per_device_train_batch_size).
    parts: passes in one optimizer step (gradient_accumulation_steps, and steps_per_generation).
    """

    part: int
    parts: int


def plan_batches(prompts_per_step: int, num_generations: int, micro_batch: int) -> Batching:
    """The largest parts of equal size within `micro_batch` answers, of whole groups unless a group alone is larger."""
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


def _largest_divisor(number: int, limit: int) -> int:
    return max(d for d in range(1, min(number, limit) + 1) if number % d == 0)
