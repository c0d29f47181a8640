"""Two processes train what one trains, through the store and `accelerate launch`."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runtimes import runtime
from safetensors.numpy import load_file

from refinepoi.core.errors import UserError
from refinepoi.core.stage import Artifact
from refinepoi.core.store import Store
from refinepoi.processes.launch import run_stage
from refinepoi.sft.data import Collator, Examples
from refinepoi.sft.stage import train_sft
from refinepoi.sft.trainer import Parts


def test_two_processes_give_the_losses_of_one(world: Any, stored: list[Artifact[Any]], tmp_path: Path) -> None:
    """Streams, then lists among the policy's own: sums in another order, so to 1e-4 after 24 steps, not to the byte."""
    spec, curves, weights, keys = world.changed(streams={"epochs": 3}), [], [], []
    for processes in (1, 2):
        store = Store(tmp_path / f"store-{processes}", runtime(processes=processes, micro_batch=4), execute=run_stage)
        made = store.get(train_sft, [spec, world.model, *stored])
        rows = json.loads((made.path / "curve.json").read_text())
        curves.append(
            {(row["step"], name): row[name] for row in rows for name in row if name in ("loss", "validation/MRR")}
        )
        weights.append(load_file(made.path / "model" / "model.safetensors"))
        keys.append(made.key)
        assert not (made.path / ".work").exists()
    one, two = curves
    assert one.keys() == two.keys() and len(one) >= 8
    assert max(abs(one[key] - two[key]) for key in one) < 1e-4
    assert max(float(np.abs(weights[0][name] - weights[1][name]).max()) for name in weights[0]) < 1e-4
    assert keys[0] == keys[1]


@pytest.mark.parametrize("size", [7, 9, 16, 32])
def test_any_batch_can_be_cut(size: int) -> None:
    """Every example counts once, no part is larger than asked, and each rank has as many parts as the others."""
    examples = Examples([[1]] * size, [[2 + row] for row in range(size)], [[float(row + 1)] for row in range(size)])
    collate, plan = Collator(examples, 0), [np.arange(size), np.arange(size)[::-1]]
    for most, ranks, step in itertools.product((1, 2, 3, 8, 100), (1, 2, 3, 5, 6, 7), range(2)):
        parts = Parts(plan, collate, most, ranks)
        assert parts.parts % ranks == 0 and len(parts) == 2 * parts.parts
        cut = [parts[step * parts.parts + part] for part in range(parts.parts)]
        assert max(len(part["input_ids"]) for part in cut) <= most
        counted = sorted(float(weight) for part in cut for weight in part["weights"].flatten() if weight)
        assert counted == [row + 1.0 for row in range(size)]
        assert {float(part["norm"]) for part in cut} == {size * (size + 1) / 2}


def test_parts_are_shared_equally_and_a_batch_too_small_to_share_is_refused() -> None:
    examples = Examples([[1]] * 9, [[2]] * 9, [[1.0]] * 9)
    plan = [np.arange(9)]
    cuts = [Parts(plan, Collator(examples, 0), most, ranks).parts for most, ranks in ((9, 1), (9, 2), (2, 2))]
    assert cuts == [1, 2, 6]
    with pytest.raises(UserError, match=r"batch_size: 9 examples a step .* runtime.processes=10; use at most 9"):
        Parts(plan, Collator(examples, 0), 9, 10)
