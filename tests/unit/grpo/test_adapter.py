"""GRPO goes on with the adapter of the warm start, new tokens as rows or matrices, and saves it by itself."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from models import lora, pretrained
from safetensors.torch import load_file

from refinepoi.artifacts.policy import Policy
from refinepoi.model.load import build, load, save

ADAPTER = "adapter_model.safetensors"


@pytest.mark.parametrize(("new_tokens", "tie"), [("rows", True), ("rows", False), ("matrices", True)])
def test_an_adapter_is_trained_on(world: Any, run: Any, tmp_path: Path, new_tokens: str, tie: bool) -> None:
    base = tmp_path / "base"
    untied = world.model.model_copy(update={"tie": tie})
    save(build(untied, world.prompts, world.semantic_ids), base)
    model = pretrained(base, lora(new_tokens, targets=("all-linear",)))
    save(build(model, world.prompts, world.semantic_ids), tmp_path / "warm")
    warm = Policy(tmp_path / "warm")

    changes = {"steps": 3, "beta": 0.1, "learning_rate": 0.01, "keep": "last", "save_every": 2, "eval_every": 2}
    policy, context = run("whole", model=model, warm_start=warm, **changes)
    kl = [row["kl"] for row in context.log.curve if "kl" in row]
    assert abs(kl[0]) < 1e-6 and kl[-1] > 1e-5  # the reference is the warm start, not the bare base
    before, after = load_file(warm.model / ADAPTER), load_file(policy.model / ADAPTER)
    assert before.keys() == after.keys()
    assert all(not torch.equal(before[name], after[name]) for name in before if "embed" in name or "lora_B" in name)
    assert load(policy.model).base == load(warm.model).base

    shutil.rmtree(context.work / "last")
    again, _ = run("whole", model=model, warm_start=warm, **changes)  # goes on from the checkpoint after step 2
    assert (again.model / ADAPTER).read_bytes() == (policy.model / ADAPTER).read_bytes()
