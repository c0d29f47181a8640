"""Settings of evaluation: the shipped options are valid, nonsense is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from refinepoi.core.tracking_spec import TrackingSpec
from refinepoi.evaluation.spec import EvaluationSpec

CONF = Path(__file__).parents[3] / "conf"


def default() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CONF / "evaluation" / "default.yaml").read_text().replace("${seed}", "0"))
    return content


def validate(content: dict[str, Any]) -> EvaluationSpec:
    return EvaluationSpec.model_validate_json(json.dumps(content))


def test_shipped_options_are_valid() -> None:
    spec = validate(default())
    assert spec.decoding.k == 10 and spec.scoring.ks == (1, 5, 10)
    tracking: TypeAdapter[Any] = TypeAdapter(TrackingSpec)
    kinds = [
        tracking.validate_json(json.dumps(yaml.safe_load((CONF / "tracking" / f).read_text()))).kind
        for f in ("wandb.yaml", "off.yaml")
    ]
    assert kinds == ["wandb", "off"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("scoring", "ks"), [5, 1]), (("scoring", "ks"), [1, 1]), (("scoring", "ks"), []), (("scoring", "ks"), [0, 5]),
        (("scoring", "resamples"), 0), (("scoring", "confidence"), 1.0), (("scoring", "unit"), "city"),
        (("decoding", "k"), 0), (("decoding", "mode"), "sample"), (("decoding", "batch"), -1),
        (("scoring", "strata", "distances"), [5, 1]), (("scoring", "strata", "distances"), [-1]),
        (("scoring", "strata", "hours"), [24]), (("scoring", "strata", "hours"), []),
        (("scoring", "strata", "groups"), 1), (("scoring", "strata", "typo"), 1),
    ],
)  # fmt: skip
def test_nonsense_is_refused(path: tuple[str, ...], value: Any) -> None:
    content = default()
    part = content
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    with pytest.raises(ValidationError) as error:
        validate(content)
    assert ".".join(str(p) for p in error.value.errors()[0]["loc"]).startswith(".".join(path))
