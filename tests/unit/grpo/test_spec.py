"""Rules between settings, and the shipped options."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from refinepoi.grpo.spec import GrpoOff, GrpoSpec, GrpoTrain


def shipped(root: Path, option: str) -> Any:
    text = (root / "conf" / "grpo" / f"{option}.yaml").read_text(encoding="utf-8").replace("${seed}", "0")
    return TypeAdapter(GrpoSpec).validate_python(yaml.safe_load(text))


def test_shipped_options(root: Path) -> None:
    assert isinstance(shipped(root, "default"), GrpoTrain)
    assert isinstance(shipped(root, "off"), GrpoOff)


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
        ({"lr": 1.0}, "Extra inputs"),
    ],
)
def test_refusals(root: Path, changes: dict[str, Any], message: str) -> None:
    values = shipped(root, "default").model_dump()
    with pytest.raises(ValidationError, match=message):
        GrpoTrain(**{**values, **changes})
    for name in values:  # no field has a default
        with pytest.raises(ValidationError, match="required"):
            GrpoTrain(**{k: v for k, v in values.items() if k != name})
