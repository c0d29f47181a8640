"""Specs from conf/dataset with changes, and small check-in files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from refinepoi.dataset.spec import DatasetSpec

HEADER = "user_id,POI_id,POI_catid,POI_catname,latitude,longitude,timezone,UTC_time"


def compose(folder: Path, option: str) -> dict[str, Any]:
    """An option of conf/dataset as Hydra composes it: its defaults list, then its own values."""
    tree = yaml.safe_load((folder / f"{option}.yaml").read_text(encoding="utf-8"))
    merged: dict[str, Any] = {}
    for entry in tree.pop("defaults", []):
        if isinstance(entry, dict):
            merged |= {group: compose(folder / group, name) for group, name in entry.items()}
        elif entry != "_self_":
            merged |= compose(folder, entry)
    for key, value in tree.items():
        merged[key] = merged[key] | value if isinstance(merged.get(key), dict) else value
    return merged


@pytest.fixture
def load_spec(root: Path) -> Callable[..., Any]:
    """load_spec("nyc", {"path": "x", "protocol.samples": "llm4poi"}) -> the validated spec."""

    def load(option: str, changes: dict[str, Any] | None = None) -> Any:
        tree = compose(root / "conf" / "dataset", option)
        defaults: dict[str, Any] = {"seed": 0} if option == "city" else {}
        for key, value in (defaults | (changes or {})).items():
            *path, last = key.split(".")
            node = tree
            for part in path:
                node = node[part]
            node[last] = value
        return TypeAdapter(DatasetSpec).validate_json(json.dumps(tree))

    return load


@pytest.fixture
def small_csv(load_spec: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """small_csv(lines) writes a file and returns a spec that reads it with a protocol for a handful of rows."""
    loose = {
        "columns.category_id": "POI_catid",
        "cleaning.max_bad_share": 1.0,
        "cleaning.max_duplicate_share": 1.0,
        "protocol.near_duplicate_minutes": 0.0,
        "protocol.min_poi_checkins": 1,
        "protocol.min_user_checkins": 1,
        "protocol.min_trajectory": 2,
        "protocol.gap_hours": 4.0,
    }

    def write(lines: list[str], changes: dict[str, Any] | None = None, header: str = HEADER) -> Any:
        file = tmp_path / "rows.csv"
        file.write_bytes("\n".join([header, *lines, ""]).encode())
        return load_spec("csv", loose | {"path": str(file)} | (changes or {}))

    return write


@pytest.fixture
def visits() -> list[str]:
    """180 good lines: 3 users, 5 POIs, every 50 minutes for 10 visits, then a night; 6 trajectories a user."""
    lines = []
    for number in range(180):
        user, step = number % 3, number // 3
        day, minute = step // 10, 8 * 60 + step % 10 * 50
        poi = (step * (user + 1)) % 5
        clock = f"2012-05-{day + 1:02} {minute // 60:02}:{minute % 60:02}:0{user}+00:00"
        lines.append(f"u{user},p{poi},c{poi % 2},Kind {poi % 2},40.{poi + 1},-74.{poi + 1},-240,{clock}")
    return lines
