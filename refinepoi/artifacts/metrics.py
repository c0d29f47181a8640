"""Metrics: the table of a run, as JSON. Made by `refinepoi/evaluation`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from refinepoi.artifacts.files import read_json, require, write_json


@dataclass(frozen=True, eq=False)
class Metrics:
    """
    content: {"protocol": {...}, "samples": n, "methods": {name: {"Acc@1": x, "Acc@1_interval": [low, high], ...}},
        "paired": {"policy - other": {metric: {"difference": x, "interval": [low, high]}}},
        "validation": {"samples": n, "methods": {...}, "paired": {...}},
        "strata": {stratum: {group: {"samples": n, "range": [least, most], "methods": {...}}}}}
    """

    content: dict[str, Any]

    def __post_init__(self) -> None:
        missing = {"protocol", "samples", "methods", "validation", "strata"} - set(self.content)
        require(not missing, f"metrics: without {sorted(missing)}")

    def save(self, folder: Path) -> None:
        write_json(folder / "metrics.json", self.content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(read_json(folder / "metrics.json"))
