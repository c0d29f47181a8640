"""Embeddings: one vector a POI from the contrastive encoder. Made by `refinepoi/encoder`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.files import read_array, read_json, require, write_array, write_json


@dataclass(frozen=True, eq=False)
class Embeddings:
    """
    vectors: float32 [P, D].
    quality: alignment, uniformity, category purity ... of these vectors (plain numbers by name).
    """

    vectors: npt.NDArray[np.float32]
    quality: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        bad = np.flatnonzero(~np.isfinite(self.vectors).all(1))
        require(bad.size == 0, f"embeddings: POI row {bad[:1]} is not finite")

    def save(self, folder: Path) -> None:
        write_array(folder / "vectors.npy", self.vectors)
        write_json(folder / "quality.json", self.quality)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(read_array(folder / "vectors.npy"), read_json(folder / "quality.json"))
