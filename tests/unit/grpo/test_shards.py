"""A model that two processes share out (FSDP2, here on CPUs) does what a whole one does."""

import os
from pathlib import Path
from typing import Any

import parallel_stages
import pytest
from folders import model_folder
from runtimes import runtime

from refinepoi.core.stage import Artifact
from refinepoi.core.store import Store
from refinepoi.processes.launch import run_stage


@pytest.fixture(autouse=True)
def _children_find_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    support = str(Path(parallel_stages.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([support, os.environ.get("PYTHONPATH", "")]))


@pytest.mark.slow
def test_a_sharded_model_answers_scores_learns_and_is_saved_as_a_whole_one(
    world: Any, stored: list[Artifact[Any]], tmp_path: Path
) -> None:
    _, prompts, semantic_ids, _ = stored
    store = Store(tmp_path, runtime(processes=2), execute=run_stage)
    assert store.get(parallel_stages.shard, [world.model, prompts, semantic_ids]).load().text == "alike"


@pytest.mark.slow
def test_ranks_that_reason_unequally_long_stay_in_step(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", runtime(processes=2), execute=run_stage)
    said = store.get(parallel_stages.reason, [parallel_stages.Say(word=str(model_folder(tmp_path / "model")))])
    assert said.load().text == "alike"
