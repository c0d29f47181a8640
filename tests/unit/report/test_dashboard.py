"""The W&B workspace and report: their payloads, built offline, name what the tracker writes."""

import json

import pytest

from refinepoi.core.errors import UserError
from refinepoi.core.tracking_spec import OffSpec, WandbSpec
from refinepoi.report import dashboard

workspaces = pytest.importorskip("wandb_workspaces.workspaces", reason="the extra `dashboard` is not installed")


def keys(value: object) -> set[str]:
    """Every string in a payload."""
    if isinstance(value, dict):
        return {key for inner in value.values() for key in keys(inner)}
    if isinstance(value, list):
        return {key for inner in value for key in keys(inner)}
    return {value} if isinstance(value, str) else set()


def test_the_workspace_has_a_section_for_each_question() -> None:
    payload = json.loads(dashboard.workspace("team", "project")._to_model().model_dump_json())
    found = keys(payload)
    for name in ("Reward ablation", "Semantic IDs", "Learning curves", "Maps"):
        assert name in found, name
    text = json.dumps(payload)
    for name in ("train_grpo/reward/rank", "train_grpo/step", "quantize/ids/nicc", "semantic_ids/city_map"):
        assert name in text, name
    assert "validation/MRR" in text and "weights.rank" in text


def test_the_report_explains_each_section() -> None:
    payload = json.loads(dashboard.report("team", "project")._to_model().model_dump_json())
    text = json.dumps(payload)
    assert text.count("panel-grid") >= 4 and "test split" in text and "train_sft/loss" in text


def test_what_is_missing_is_said() -> None:
    with pytest.raises(UserError, match=r"tracking\.entity: the"):
        dashboard.save_dashboard(OffSpec(kind="off"))
    spec = WandbSpec(kind="wandb", project="p", entity=None, mode="auto", tags=(), system=False)
    with pytest.raises(UserError, match=r"tracking\.entity=NAME"):
        dashboard.save_dashboard(spec)


def test_no_account_is_a_user_error(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    spec = WandbSpec(kind="wandb", project="p", entity="team", mode="auto", tags=(), system=False)
    with pytest.raises(UserError, match="wandb login"):
        dashboard.save_dashboard(spec)
