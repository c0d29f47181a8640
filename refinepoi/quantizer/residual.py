"""The quantizer whose levels add up: each one codes what those above left over (`hierarchy.Codebooks`).

SOM, MiniSom, residual k-means and product quantization end as one of these; they differ in how the books were trained.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.files import read_array, read_json, write_array, write_json
from refinepoi.quantizer.collisions import VectorSpace
from refinepoi.quantizer.hierarchy import I32, Codebooks
from refinepoi.quantizer.lattice import Topology
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.quantizer import F32, Grids


@dataclass(frozen=True, eq=False)
class ResidualQuantizer:
    """books: one codebook a level; topology: of their grids."""

    books: Codebooks
    topology: Topology = "rectangular"

    @property
    def grids(self) -> Grids:
        return self.books.grids

    def encode(self, places: Places) -> I32:
        return self.books.encode(places.vectors)

    def decode(self, codes: npt.NDArray[np.integer], levels: int | None = None) -> F32:
        return self.books.decode(codes, levels)

    def space(self, places: Places) -> VectorSpace:
        return VectorSpace(places.vectors, self.books)

    def save(self, folder: Path) -> None:
        write_json(folder / "facts.json", {"grids": self.grids, "topology": self.topology})
        for level, weights in enumerate(self.books.weights):
            write_array(folder / f"level_{level}.npy", weights)

    @classmethod
    def load(cls, folder: Path) -> Self:
        facts = read_json(folder / "facts.json")
        grids = tuple((height, width) for height, width in facts["grids"])
        weights = tuple(read_array(folder / f"level_{level}.npy") for level in range(len(grids)))
        return cls(Codebooks(grids, weights), facts["topology"])
