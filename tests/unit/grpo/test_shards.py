"""A model that two processes share out (FSDP2, here on CPUs) does what a whole one does."""

import os
from pathlib import Path
from typing import Any

import parallel_stages
import pytest
from runtimes import runtime

from refinepoi.core.stage import Artifact
from refinepoi.core.store import Store
from refinepoi.processes.launch import run_stage


@pytest.mark.slow
def test_a_sharded_model_answers_scores_learns_and_is_saved_as_a_whole_one(
    world: Any, stored: list[Artifact[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    support = str(Path(parallel_stages.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([support, os.environ.get("PYTHONPATH", "")]))
    _, prompts, semantic_ids, _ = stored
    store = Store(tmp_path, runtime(processes=2), execute=run_stage)
    assert store.get(parallel_stages.shard, [world.model, prompts, semantic_ids]).load().text == "alike"
