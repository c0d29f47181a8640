"""Features: what is known of each POI from training check-ins. Made by `refinepoi/features`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.files import read_array, read_json, require, write_array, write_json

MAP = "feature_map.json"


@dataclass(frozen=True, eq=False)
class Features:
    """
    matrix: float32 [P, D], the concatenated, normalised blocks.
    blocks: name -> (first column, column after the last), in order, covering 0..D.
    map: what the columns mean and how they were scaled, as JSON has it (`refinepoi/features/feature_map.py` reads it).
        Whoever was trained on `matrix` understands other POIs through the same map only.
    """

    matrix: npt.NDArray[np.float32]
    blocks: dict[str, tuple[int, int]]
    map: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        bad = np.flatnonzero(~np.isfinite(self.matrix).all(1))
        require(bad.size == 0, f"features: POI row {bad[:1]} is not finite")
        ends = [0, *(stop for _, stop in self.blocks.values())]
        starts = [start for start, _ in self.blocks.values()]
        require(starts == ends[:-1] and ends[-1] == self.matrix.shape[1], f"features: blocks {self.blocks} do not tile")

    def save(self, folder: Path) -> None:
        write_array(folder / "matrix.npy", self.matrix)
        write_json(folder / "blocks.json", list(self.blocks.items()))
        write_json(folder / MAP, self.map)

    @classmethod
    def load(cls, folder: Path) -> Self:
        blocks = {name: (start, stop) for name, (start, stop) in read_json(folder / "blocks.json")}
        return cls(read_array(folder / "matrix.npy"), blocks, read_json(folder / MAP))
