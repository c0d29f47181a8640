"""Rules between settings, and the shipped options."""

from pathlib import Path
from typing import Any

import pytest
from options import option
from pydantic import TypeAdapter, ValidationError

from refinepoi.grpo.spec import GrpoOff, GrpoSpec, GrpoTrain

PRESETS = ("default", "paper", "dapo", "dr_grpo", "gspo", "rere")


def shipped(name: str) -> Any:
    values = option("grpo", name)
    return TypeAdapter(GrpoSpec).validate_python(values | {"seed": 0} if "seed" in values else values)


def test_shipped_options(root: Path) -> None:
    assert {file.stem for file in (root / "conf" / "grpo").glob("*.yaml")} == {*PRESETS, "off"}
    assert all(isinstance(shipped(name), GrpoTrain) for name in PRESETS)
    assert isinstance(shipped("off"), GrpoOff)
    assert len({shipped(name).model_dump_json() for name in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"save_every": 3, "num_iterations": 2}, "use 4"),
        ({"importance_sampling_level": "sequence", "loss_type": "dapo"}, "use loss_type=grpo"),
        ({"importance_sampling_level": "token", "loss_type": "luspo"}, "importance_sampling_level=sequence"),
        ({"num_generations": 1}, "greater than or equal to 2"),
        ({"temperature": 0.0}, "greater than 0"),
        ({"learning_rate": float("nan")}, "finite"),
        ({"loss_type": "ppo"}, "dr_grpo"),
        ({"beta": -0.1}, "greater than or equal to 0"),
        ({"top_p": 0.0}, "greater than 0"),
        ({"top_p": 0.9}, "top_p=0.9 changes nothing with sampler=constrained: use 1.0, or sampler=free"),
        ({"top_k": 3, "sampler": "beams"}, "top_k=3 changes nothing with sampler=beams: use 0, or sampler=free"),
        ({"min_p": 0.1}, "use 0.0, or sampler=free"),
        ({"repetition_penalty": 1.1}, "use 1.0, or sampler=free"),
        ({"mask_truncated_completions": True}, "use False, or sampler=free"),
        ({"sampler": "free"}, "credit=item needs sampler=constrained or beams"),
        ({"multi_objective_aggregation": "normalize_then_sum", "scale_rewards": "group"}, "or credit=list"),
        ({"multi_objective_aggregation": "normalize_then_sum", "credit": "list"}, "use scale_rewards=group"),
        ({"loss_type": "cispo"}, "epsilon_high=0.28 is the largest ratio of loss_type=cispo: use 1 or more"),
        ({"epsilon_high": 5.0}, "epsilon_high=5.0 is a clip range above 1 with loss_type=grpo"),
        ({"loss_type": "sapo", "delta": 2.0}, "delta=2.0 changes nothing with loss_type=sapo"),
        ({"delta": 1.2}, "delta=1.2 lies within the clip range: use more than 1 . epsilon_high = 1.28"),
        ({"off_policy_mask_threshold": 0.5}, "use null, or num_iterations of 2 or more"),
        ({"top_entropy_quantile": 0.0}, "greater than 0"),
        ({"alerts": option("grpo", "default")["alerts"] | {"hacking_validations": 1}}, "use 2 or more, or 0"),
        ({"lr": 1.0}, "Extra inputs"),
    ],
)
def test_refusals(changes: dict[str, Any], message: str) -> None:
    values = shipped("default").model_dump()
    with pytest.raises(ValidationError, match=message):
        GrpoTrain(**{**values, **changes})
    for name in values:  # no field has a default
        with pytest.raises(ValidationError, match="required"):
            GrpoTrain(**{k: v for k, v in values.items() if k != name})
