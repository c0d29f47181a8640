"""A small planted city: two districts whose POIs are visited together, four categories; and a small spec."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import runtimes

from refinepoi.artifacts.features import Features
from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories
from refinepoi.core.runtime import Runtime
from refinepoi.encoder.spec import ContrastiveSpec

POI_COUNT = 48


@pytest.fixture(scope="session")
def city() -> Trajectories:
    """POI i lies in district i % 2 and has category i // 2 % 4; users stay in one district."""
    draw = np.random.default_rng(0)
    names = ["Coffee Shop", "Gift Shop", "Bar", ""]
    pois = pl.DataFrame(
        [
            (f"p{i}", "" if i // 2 % 4 == 3 else f"c{i // 2 % 4}", names[i // 2 % 4], 40.7 + 0.1 * (i % 2), -74.0, True)
            for i in range(POI_COUNT)
        ],
        schema=POIS,
        orient="row",
    )
    rows = []
    for trajectory in range(160):
        for visit in range(4):
            poi = int(draw.integers(POI_COUNT // 2)) * 2 + trajectory % 2
            utc = trajectory * 86_400 + visit * 7200
            rows.append((trajectory % 8, poi, utc, utc, trajectory, 0 if trajectory < 128 else 1))
    checkins = pl.DataFrame(rows, schema=CHECKINS, orient="row")
    users = pl.DataFrame({"user_id": [str(user) for user in range(8)]})
    return Trajectories(checkins, pois, users, pl.DataFrame([], schema=QUERIES), {})


@pytest.fixture(scope="session")
def features() -> Features:
    """Three blocks: one-hot category, noisy district, and noise that drowns both."""
    draw = np.random.default_rng(1)
    index = np.arange(POI_COUNT)
    category = np.eye(4)[index // 2 % 4]
    district = (index % 2)[:, None] * 2.0 - 1 + draw.normal(0, 0.3, (POI_COUNT, 2))
    noise = draw.normal(0, 2, (POI_COUNT, 6))
    matrix = np.concatenate([category, district, noise], axis=1).astype(np.float32)
    return Features(matrix, {"category": (0, 4), "location": (4, 6), "noise": (6, 12)})


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., ContrastiveSpec]:
    """`make_spec(epochs=3, positives__views=0.0)`: a small spec with single fields changed."""

    def make(**changes: object) -> ContrastiveSpec:
        fields: dict[str, object] = {
            "kind": "contrastive",
            "seed": 7,
            "hidden": (24, 16),
            "dimensions": 8,
            "temperature": 0.1,
            "positives": {"covisit": 1.0, "views": 0.3, "category": 0.2, "hours": 24.0},
            "dropout": {"columns": 0.1, "blocks": 0.1},
            "count_power": 0.5,
            "held_out": 0.1,
            "batch_size": 32,
            "learning_rate": 0.01,
            "weight_decay": 0.01,
            "epochs": 6,
            "patience": 6,
        }
        for name, value in changes.items():
            inside, _, field = name.partition("__")
            if field:
                fields[inside][field] = value  # type: ignore[index]
            else:
                fields[inside] = value
        return ContrastiveSpec.model_validate(fields)

    return make


@pytest.fixture
def runtime() -> Runtime:
    return runtimes.runtime()
