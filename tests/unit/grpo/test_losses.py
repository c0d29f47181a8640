"""Every loss, scaling and preset of TRL 1.16 that settings can name takes steps and changes the policy."""

from typing import Any

import pytest
import torch
from options import option
from safetensors.torch import load_file

LOSSES = {
    "grpo": {},
    "dr_grpo": {"scale_rewards": "none"},
    "dapo": {},
    "bnpo": {"scale_rewards": "batch"},
    "cispo": {"epsilon_high": 5.0},
    "sapo": {},
    "luspo": {"importance_sampling_level": "sequence"},
    "vespo": {},
}
FEW = {"steps": 2, "prompts_per_step": 2, "eval_every": 2, "eval_queries": 4, "keep": "last"}


def moved(world: Any, policy: Any) -> float:
    before, after = (load_file(p.model / "model.safetensors") for p in (world.warm_start, policy))
    assert all(bool(value.isfinite().all()) for value in after.values())
    return sum(float((after[name] - before[name]).norm()) for name in before)


def rewarded(context: Any) -> list[float]:
    return [row["reward"] for row in context.log.curve if "reward" in row]


@pytest.mark.parametrize("loss_type", LOSSES)
def test_every_loss(run: Any, world: Any, loss_type: str) -> None:
    policy, context = run(loss_type=loss_type, **{**FEW, **LOSSES[loss_type]})
    assert moved(world, policy) > 0 and len(rewarded(context)) == 2


@pytest.mark.parametrize("preset", ["paper", "dapo", "dr_grpo", "gspo", "rere"])
def test_every_preset(run: Any, world: Any, preset: str) -> None:
    small = {
        "seed": 0, "num_generations": 8, "max_new_tokens": 8, "save_every": 2, "schedule": "constant", "warmup": 0.0,
        "learning_rate": 0.01,
    }  # fmt: skip
    small |= FEW | {"prompts_per_step": 8}  # an untrained model's text seldom earns anything
    policy, context = run(**{**option("grpo", preset), **small, "alerts": world.spec.alerts.model_dump()})
    assert moved(world, policy) > 0 and rewarded(context)


VESPO = dict.fromkeys(["k_pos", "lambda_pos", "k_neg", "lambda_neg"], 9.0)
ONE_BY_ONE = {
    "normalize_then_sum": {"multi_objective_aggregation": "normalize_then_sum"},
    "top_entropy_quantile": {"top_entropy_quantile": 0.3},
    "entropy_coef": {"entropy_coef": 0.5},
    "delta": {"delta": 1.3, "num_iterations": 2},
    "off_policy_mask_threshold": {"off_policy_mask_threshold": 1e-9, "num_iterations": 2},
    "biased KL": {"beta": 0.5, "use_bias_correction_kl": False},
    "free, cut": {"sampler": "free", "top_p": 0.9, "top_k": 5, "min_p": 0.05, "repetition_penalty": 1.2},
    "only whole answers": {"sampler": "free", "mask_truncated_completions": True},
    "weights of vespo": {"loss_type": "vespo", "num_iterations": 2, "vespo": VESPO},
}  # fmt: skip
PLAIN = {
    "delta": {"num_iterations": 2},
    "off_policy_mask_threshold": {"num_iterations": 2},
    "biased KL": {"beta": 0.5},
    "free, cut": {"sampler": "free"},
    "only whole answers": {"sampler": "free"},
    "weights of vespo": {"loss_type": "vespo", "num_iterations": 2},
}


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_every_setting_changes_the_policy(run: Any, name: str) -> None:
    common = {**FEW, "steps": 4, "learning_rate": 0.05, "prompts_per_step": 4, "credit": "list"}
    one, _ = run("one", **{**common, **PLAIN.get(name, {}), **ONE_BY_ONE[name]})
    other, _ = run("other", **{**common, **PLAIN.get(name, {})})
    tensors = [load_file(policy.model / "model.safetensors") for policy in (one, other)]
    assert any(not torch.equal(value, tensors[1][key]) for key, value in tensors[0].items())
