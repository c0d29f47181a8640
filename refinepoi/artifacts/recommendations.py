"""Recommendations: what a policy answered for a table of visits. Made by `refinepoi/recommend`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from refinepoi.artifacts.files import read_json, require, write_json


@dataclass(frozen=True, eq=False)
class Recommendations:
    """
    content: {"facts": {k, mode, ...}, "answers": [{"user", "trip", "when", "history": [{"poi_id", "name", "category",
        "latitude", "longitude", "time", "matched_km"}], "places": [{"rank", "poi_id", "name", "category", "latitude",
        "longitude", "km", "probability", "semantic_id"}]}]}. The CSV and the page beside it say the same.
    """

    content: dict[str, Any]

    def __post_init__(self) -> None:
        require({"facts", "answers"} <= set(self.content), f"recommendations: holds {sorted(self.content)}")

    def save(self, folder: Path) -> None:
        write_json(folder / "recommendations.json", self.content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(read_json(folder / "recommendations.json"))
