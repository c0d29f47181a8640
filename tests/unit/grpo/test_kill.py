"""A run that is really killed, again and again, ends with the bytes of one that was not."""

import hashlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

RUN = """
import json, sys
from pathlib import Path
from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.runtime import Runtime
from refinepoi.core.stage import Context
from refinepoi.core.tracking import StageLog
from refinepoi.grpo.spec import GrpoTrain
from refinepoi.grpo.train import train
from refinepoi.model.spec import ScratchModel
from refinepoi.reward.spec import RewardSpec
from refinepoi.reward.places import Places
import numpy as np, polars as pl
given, out = json.loads(sys.argv[1]), Path(sys.argv[2])
out.mkdir(exist_ok=True)
policy = train(
    Context(out, Runtime(**given["runtime"]), StageLog("grpo"), "grpo"), GrpoTrain(**given["spec"]),
    RewardSpec(**given["reward"]), ScratchModel(**given["model"]), Policy(Path(given["warm_start"])),
    Prompts.load(Path(given["prompts"])), SemanticIds.load(Path(given["semantic_ids"])),
    Places(pl.DataFrame({"category": ["x"] * 12, "latitude": [0.0] * 12, "longitude": [0.0] * 12}), np.arange(12)),
)
policy.save(out)
"""


def fingerprint(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow
def test_killed_at_random_moments(world: Any, make_context: Any, tmp_path: Path) -> None:
    for name in ("prompts", "semantic_ids"):
        (tmp_path / name).mkdir()
        getattr(world, name).save(tmp_path / name)
    runtime = make_context().runtime.model_dump() | {"refresh": ()}
    spec = world.changed(steps=40, save_every=3, eval_every=4).model_dump()
    given = {
        "runtime": {**runtime, "refresh": []}, "spec": spec, "reward": world.reward.model_dump(),
        "model": world.model.model_dump(), "warm_start": str(world.warm_start.model),
        "prompts": str(tmp_path / "prompts"), "semantic_ids": str(tmp_path / "semantic_ids"),
    }  # fmt: skip

    def start(out: Path) -> "subprocess.Popen[bytes]":
        code = RUN.replace('Runtime(**given["runtime"])', 'Runtime(**{**given["runtime"], "refresh": ()})')
        return subprocess.Popen([sys.executable, "-c", code, json.dumps(given), str(out)])

    assert start(tmp_path / "whole").wait() == 0
    work = tmp_path / "killed" / ".work"

    def entries() -> set[str]:
        return {path.name for path in work.glob("*")}

    draw, kills = random.Random(0), 0
    while True:
        known = entries()
        process = start(tmp_path / "killed")
        while process.poll() is None and entries() <= known:
            time.sleep(0.01)  # until it has got on a little
        try:
            assert process.wait(draw.uniform(0.0, 0.3)) == 0
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert kills >= 3
    assert fingerprint(tmp_path / "killed") == fingerprint(tmp_path / "whole")
