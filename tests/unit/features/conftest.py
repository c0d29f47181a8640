"""A small planted city: two districts, four categories, people who stay in their district."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories
from refinepoi.features.spec import BlocksSpec


@pytest.fixture(scope="session")
def city() -> Trajectories:
    draw = np.random.default_rng(0)
    categories = ["Coffee Shop", "Gift Shop", "Bar", ""]
    pois = pl.DataFrame(
        [
            (f"p{i}", f"c{i % 4}", categories[i % 4], 40.7 + 0.1 * (i % 2) + draw.normal(0, 0.005), -74.0, True)
            for i in range(24)
        ],
        schema=POIS,
        orient="row",
    )
    rows, trajectory = [], 0
    for user in range(6):
        for day in range(20):
            for hour in (9, 13, 20):
                poi = int(draw.integers(12)) * 2 + user % 2
                utc = day * 86_400 + hour * 3600 + int(draw.integers(3000))
                rows.append((user, poi, utc, utc - 14_400, trajectory, 0 if day < 15 else 1 if day < 17 else 2))
            trajectory += 1
    checkins = pl.DataFrame(sorted(rows, key=lambda row: row[2]), schema=CHECKINS, orient="row")
    queries = pl.DataFrame([], schema=QUERIES)
    return Trajectories(checkins, pois, pl.DataFrame({"user_id": [str(u) for u in range(6)]}), queries, {})


def _spec(**changes: object) -> BlocksSpec:
    fields: dict[str, Any] = {
        "kind": "blocks",
        "category": {"weight": 1.0, "columns": 64},
        "words": {"weight": 0.5, "columns": 64},
        "location": {"weight": 1.0, "scales_km": (1.0, 8.0)},
        "time": {"weight": 1.0, "harmonics": 6, "prior_visits": 5.0},
        "popularity": {"weight": 0.5},
        "transitions": {"weight": 0.0, "dimensions": 4, "hours": 24.0},
    }
    for name, value in changes.items():
        block, field = name.split("__")
        fields[block][field] = value
    return BlocksSpec.model_validate(fields)


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., BlocksSpec]:
    """`make_spec(location__weight=0.0)`: the spec with single fields changed."""
    return _spec
