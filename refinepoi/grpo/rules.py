"""Settings of GRPO that contradict each other: each as a sentence with the remedy. Nothing heavy is loaded for it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refinepoi.grpo.spec import GrpoTrain

SUMS_OVER_TOKENS = ("bnpo", "dr_grpo", "dapo", "cispo", "vespo")
CLIPS_BOTH_SIDES = ("grpo", "bnpo", "dr_grpo", "dapo", "luspo")
FREE_ONLY = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "mask_truncated_completions": False}


def contradictions(spec: "GrpoTrain") -> Iterator[str]:
    yield from _about_steps(spec)
    yield from _about_sampling(spec)
    yield from _about_loss(spec)


def _about_steps(spec: "GrpoTrain") -> Iterator[str]:
    if spec.save_every % spec.num_iterations:
        aligned = -(-spec.save_every // spec.num_iterations) * spec.num_iterations
        yield (
            f"save_every={spec.save_every} is not a multiple of num_iterations={spec.num_iterations}: a run that "
            f"continues would sample other answers; use {aligned}"
        )


def _about_sampling(spec: "GrpoTrain") -> Iterator[str]:
    if spec.sampler != "free" and spec.engine != "transformers":
        yield f"engine={spec.engine} does not go with sampler={spec.sampler}: use sampler=free, or engine=transformers"
    if spec.sampler != "free":
        for name, off in FREE_ONLY.items():
            value = getattr(spec, name)
            if value != off:
                yield f"{name}={value} changes nothing with sampler={spec.sampler}: use {off}, or sampler=free"
    if spec.credit == "item" and (spec.sampler == "free" or spec.importance_sampling_level == "sequence"):
        yield (
            "credit=item needs sampler=constrained or beams, and importance_sampling_level=token: "
            "use them, or credit=list"
        )
    if spec.credit == "item" and spec.multi_objective_aggregation == "normalize_then_sum":
        yield "credit=item credits the sum of terms: use multi_objective_aggregation=sum_then_normalize, or credit=list"


def _about_loss(spec: "GrpoTrain") -> Iterator[str]:
    loss = spec.loss_type
    if spec.importance_sampling_level == "sequence" and loss in SUMS_OVER_TOKENS:
        yield (
            f"importance_sampling_level=sequence does not go with loss_type={loss}, a sum over tokens: "
            "use loss_type=grpo or importance_sampling_level=token"
        )
    if spec.importance_sampling_level == "token" and loss == "luspo":
        yield "loss_type=luspo weights whole answers: use importance_sampling_level=sequence"
    if loss == "cispo" and spec.epsilon_high < 1:
        yield f"epsilon_high={spec.epsilon_high} is the largest ratio of loss_type=cispo: use 1 or more (ScaleRL: 5.0)"
    if loss in CLIPS_BOTH_SIDES and spec.epsilon_high > 1:
        yield f"epsilon_high={spec.epsilon_high} is a clip range above 1 with loss_type={loss}: use 0.2 to 0.28"
    if spec.delta is not None and loss not in CLIPS_BOTH_SIDES:
        others = ", ".join(CLIPS_BOTH_SIDES)
        yield f"delta={spec.delta} changes nothing with loss_type={loss}: use delta=null, or one of {others}"
    if spec.delta is not None and spec.delta <= 1 + spec.epsilon_high:
        high = 1 + spec.epsilon_high
        yield f"delta={spec.delta} lies within the clip range: use more than 1 + epsilon_high = {high:g}"
    if spec.multi_objective_aggregation == "normalize_then_sum" and spec.scale_rewards != "group":
        yield (
            "multi_objective_aggregation=normalize_then_sum scales each term by group: use scale_rewards=group "
            "(or sum_then_normalize)"
        )
    if spec.off_policy_mask_threshold is not None and spec.num_iterations == 1:
        yield "off_policy_mask_threshold changes nothing on fresh answers: use null, or num_iterations of 2 or more"
