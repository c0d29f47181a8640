"""Lineage, and runs that a `wandb agent` starts."""

import json
import re
from pathlib import Path

import pytest
import yaml

from refinepoi.core.tracking_spec import WandbSpec, open_tracker
from refinepoi.launching.composition import check

ROOT = Path(__file__).resolve().parents[3]
SWEEP = yaml.safe_load((ROOT / "docs" / "wandb_sweep.yaml").read_text())
SPEC = WandbSpec(kind="wandb", project="proj", entity=None, mode="offline", tags=(), system=False)


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))


def test_every_setting_of_the_sweep_file_exists_and_the_test_split_is_not_the_goal() -> None:
    first = {key: values.get("values", [values.get("min")])[0] for key, values in SWEEP["parameters"].items()}
    words = [f"{key}={value}" for key, value in first.items()]
    own = [word for word in SWEEP["command"][1:] if not word.startswith("${")]
    assert len(check([*own, *words], multirun=False).jobs) == 1
    assert SWEEP["command"][0] == SWEEP["program"] == "refinepoi" and SWEEP["command"][-1] == "${args_no_hyphens}"
    assert SWEEP["metric"] == {"name": "validation/MRR", "goal": "maximize"}


def test_a_run_of_an_agent_has_the_agents_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setenv("WANDB_RUN_ID", "agent123")
    with open_tracker(SPEC, folder=tmp_path, name="job") as tracker:
        tracker.summary({"validation/MRR": 0.5})
    assert [re.search(r"agent123", f.name) for f in (tmp_path / "wandb").glob("offline-run-*")] != []
    assert all("agent123" in f.name for f in (tmp_path / "wandb").glob("offline-run-*"))


def test_artifacts_carry_their_lineage(tmp_path: Path) -> None:
    arguments = [
        {"artifact": "make_features", "key": "aa"},
        {"epochs": 3},
        {"artifact": "make_trajectories", "key": "b"},
    ]
    manifest = {"stage": "train_encoder", "key": "cc", "arguments": arguments, "seconds": 2.5, "git": "123"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with open_tracker(SPEC, folder=tmp_path / "run", name="job") as tracker:
        tracker.artifact(tmp_path / "manifest.json", made=True)
        tracker.artifact(tmp_path / "manifest.json", made=False)
    stored = b"".join(f.read_bytes() for f in (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))
    assert b"train_encoder-cc" in stored and b"make_features-aa" in stored and b"make_trajectories-b" in stored
