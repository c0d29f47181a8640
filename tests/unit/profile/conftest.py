"""A city of three weeks: 5 users, 24 places."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from folders import model_folder

from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories

DAY, HOUR = 86400, 3600
MONDAY = 1_333_324_800  # 2012-04-02, midnight; local = utc here


def made(rows: list[tuple[int, int, int, int]], categories: list[str]) -> Trajectories:
    """rows: (user, utc, poi, split). Places stand 1 km apart on a line to the north; the middle one is the centre."""
    rows = sorted(rows, key=lambda row: (row[1], row[0]))
    user, utc, poi, split = (list(column) for column in zip(*rows, strict=True))
    checkins = pl.DataFrame(
        {"user": user, "poi": poi, "utc": utc, "local": utc, "trajectory": user, "split": split}, schema=CHECKINS
    )
    n = len(categories)
    pois = pl.DataFrame(
        {"poi_id": [str(i) for i in range(n)], "category_id": categories, "category": categories,
         "latitude": 40 + (np.arange(n) - n // 2) / 111.195, "longitude": [-74.0] * n, "in_train": [True] * n},
        schema=POIS,
    )  # fmt: skip
    asked = checkins.with_row_index("row").filter(pl.col("row") % 5 == 4).cast({"row": pl.Int32})
    queries = asked.with_columns(target=pl.col("poi")).select(*QUERIES).sort("split", "row")
    users = pl.DataFrame({"user_id": [f"u{i}" for i in range(max(user) + 1)]})
    return Trajectories(checkins, pois, users, queries, {"protocol": {"dataset": "mini", "split": "published"}})


@pytest.fixture(scope="session")
def city() -> Trajectories:
    rng = np.random.default_rng(0)
    names = ["Bar", "Coffee Shop", "<A_0,0><B_0,0>", "Café", "unknown", "Office"] * 4
    rows = [
        (user, MONDAY + day * DAY + int(hour) * HOUR + user, int(rng.integers(24)), 0 if day < 14 else 1 + (day > 17))
        for user in range(5)
        for day in range(21)
        for hour in rng.choice(np.arange(7, 23), 3, replace=False)
    ]
    return made(rows, names)


@pytest.fixture
def small_folder(tmp_path: Path) -> Path:
    return model_folder(tmp_path / "model")
