"""People whose next place follows from the last one, or from the hour; and specs small enough to learn that."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from options import option
from pydantic import TypeAdapter

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories
from refinepoi.core.runtime import Runtime
from refinepoi.core.stage import Context
from refinepoi.core.tracking import StageLog
from refinepoi.sequence.spec import SequenceSpec

PLACES, START = 12, 1_333_324_800  # Monday, 2012-04-02, midnight UTC


def spec(kind: str, **changes: Any) -> Any:
    small = {"length": 8, "hidden": 16, "epochs": 12, "patience": 12, "batch_size": 8, "dropout": 0.0, "seed": 0}
    settings = option("sequence", kind) | small | {"learning_rate": 0.02, "weight_decay": 0.0, "kept": 3} | changes
    return TypeAdapter(SequenceSpec).validate_python(settings)


def world(users: int = 8, visits: int = 40, by_hour: bool = False, seed: int = 0) -> Trajectories:
    """Each next place is the one after the last (mod PLACES); `by_hour`: the hour of the visit, halved."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        here, utc = int(draw.integers(PLACES)), START + user
        for visit in range(visits):
            utc += int(draw.integers(1, 20)) * 3600
            here = utc // 3600 % 24 // 2 if by_hour else (here + 1) % PLACES
            split = 0 if visit < 0.7 * visits else 1 if visit < 0.85 * visits else 2
            rows.append((user, here, utc, utc, user * 100 + visit // 4, split))
    rows.sort(key=lambda row: (row[2], row[0]))
    checkins = pl.DataFrame(dict(zip(CHECKINS, zip(*rows, strict=True), strict=True))).cast(dict(CHECKINS))
    first = pl.col("trajectory").is_first_distinct()
    queries = checkins.with_row_index("row").filter(~first).with_columns(target="poi").sort("split", "row")
    ids = [f"p{n}" for n in range(PLACES)]
    pois = {
        "poi_id": ids, "category_id": ids, "category": ids, "latitude": [40.0] * PLACES, "longitude": [-74.0] * PLACES,
        "in_train": [True] * PLACES,
    }  # fmt: skip
    names = pl.DataFrame({"user_id": [str(user) for user in range(users)]})
    return Trajectories(
        checkins, pl.DataFrame(pois).cast(dict(POIS)), names, queries.select(list(QUERIES)).cast(dict(QUERIES)), {}
    )


def evidence(history: str = "all", target_time: str = "known") -> Evidence:
    """Its settings are all that is read of it."""
    empty = np.zeros((0, 0), np.float32)
    facts = {"history": history, "target_time": target_time}
    return Evidence(np.zeros((0, 0), np.int32), np.zeros((0, 0, 0), np.float32), (), empty, (), facts)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    runtime = Runtime.model_validate(option("runtime", "default") | {"device": "cpu", "progress": False, "refresh": ()})
    return Context(tmp_path, runtime, StageLog("train_sequence"), "train_sequence")


@pytest.fixture
def make() -> dict[str, Callable[..., Any]]:
    return {"spec": spec, "world": world, "evidence": evidence}
