from pathlib import Path

import pytest
import yaml
from new_places import discovery
from pydantic import ValidationError

from refinepoi.evidence.spec import EvidenceSpec

CONF = Path(__file__).parents[3] / "conf" / "evidence"


def values() -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((CONF / "default.yaml").read_text(encoding="utf-8")) | {"seed": 0}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}


def test_default_is_valid() -> None:
    spec = EvidenceSpec.model_validate(values())
    assert (spec.history, spec.target_time, spec.candidates) == ("all", "known", 128)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"order": {"known": {"user_cuont": 1.0}, "hidden": {}}}, "no counter named user_cuont"),
        ({"decay_days": (7.0,)}, "user_decay_30d"),  # the order still names it
        ({"discovery": discovery(weights={"known": {"new_nera": 1.0}, "hidden": {}})}, "no source named new_nera"),
        ({"discovery": discovery(weights={"known": {}, "hidden": {"new_category": 1.0}})}, "new_category need"),
        ({"history": "some"}, "train_prefix"),
        ({"candidates": 0}, "greater than or equal to 1"),
        ({"decay_days": (-7.0,)}, "greater than 0"),
        ({"blackout_days": -1.0}, "greater than or equal to 0"),
    ],
)
def test_refusals_name_the_trouble(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        EvidenceSpec.model_validate(values() | change)
