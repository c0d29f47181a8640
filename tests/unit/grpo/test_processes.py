"""Two processes do what one does: the same lists are sampled, credited and learned from."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runtimes import runtime
from safetensors.numpy import load_file

from refinepoi.artifacts.policy import Policy
from refinepoi.core.stage import Artifact
from refinepoi.core.store import Store
from refinepoi.grpo.stage import train_grpo
from refinepoi.processes.launch import run_stage

CURVES = ("loss", "reward", "reward_std", "frac_reward_zero_std", "entropy", "validation/MRR")


@pytest.mark.parametrize(
    "changes",
    [
        {"credit": "item", "scale_rewards": "batch", "num_iterations": 2, "beta": 0.05},
        pytest.param({"credit": "list", "loss_type": "dapo"}, marks=pytest.mark.slow),
    ],
)
def test_two_processes_give_the_curves_of_one(
    world: Any, stored: list[Artifact[Any]], tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Sums in another order, so to 1e-4 after four steps at a learning rate of 5e-3, not to the byte."""
    spec, curves, weights = world.changed(**changes), [], []
    for processes in (1, 2):
        store = Store(tmp_path / f"store-{processes}", runtime(processes=processes, micro_batch=4), execute=run_stage)
        made = store.get(train_grpo, [spec, world.reward, world.model, *stored])
        rows = json.loads((made.path / "curve.json").read_text())
        curves.append({(row["step"], name): row[name] for row in rows for name in CURVES if name in row})
        weights.append(load_file(Policy.load(made.path).model / "model.safetensors"))
    one, two = curves
    assert one.keys() == two.keys() and len(one) >= 15
    apart = {key: abs(one[key] - two[key]) for key in one}
    assert max(apart.values()) < 1e-4, {key: value for key, value in apart.items() if value >= 1e-4}
    assert max(float(np.abs(weights[0][name] - weights[1][name]).max()) for name in weights[0]) < 1e-4
