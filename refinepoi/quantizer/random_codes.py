"""Codes that mean nothing: uniform over the cells, the floor every quality figure is read against.

The draw is a hash of the place's own columns and the seed, so that a place has the same code whoever stands beside it.
"""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.files import read_json, write_json
from refinepoi.quantizer.collisions import GridSpace
from refinepoi.quantizer.lattice import Topology
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.prefix_means import PrefixMeans
from refinepoi.quantizer.quantizer import F32, I32, Grids


@dataclass(frozen=True, eq=False)
class RandomQuantizer:
    """Decoding gives the mean of the places learned under a prefix: of one place, where a cell holds one."""

    grids: Grids
    seed: int
    means: PrefixMeans
    topology: Topology = "rectangular"
    books: None = None

    @classmethod
    def fit(cls, places: Places, grids: Grids, seed: int) -> Self:
        known = places.known
        return cls(grids, seed, PrefixMeans.of(grids, draw_codes(known, grids, seed), known.vectors))

    def encode(self, places: Places) -> I32:
        return draw_codes(places, self.grids, self.seed)

    def decode(self, codes: npt.NDArray[np.integer], levels: int | None = None) -> F32:
        return self.means.decode(codes, levels)

    def space(self, places: Places) -> GridSpace:
        return GridSpace(self.encode(places), self.grids)

    def save(self, folder: Path) -> None:
        write_json(folder / "facts.json", {"grids": self.grids, "seed": self.seed})
        self.means.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        facts = read_json(folder / "facts.json")
        grids = tuple((height, width) for height, width in facts["grids"])
        return cls(grids, facts["seed"], PrefixMeans.load(folder, grids))


def draw_codes(places: Places, grids: Grids, seed: int) -> I32:
    """int32 [N, L]: 64 hashed bits a level, modulo its cells (uneven by less than cells / 2**64)."""
    drawn = np.empty((len(places), len(grids)), np.uint64)
    position = np.stack([places.latitude, places.longitude], 1)
    for row, (vector, spot, name) in enumerate(zip(places.vectors, position, places.category, strict=True)):
        for level in range(len(grids)):
            bits = blake2b(digest_size=8, key=f"{seed} {level}".encode())
            bits.update(vector.tobytes() + spot.tobytes() + str(name).encode())
            drawn[row, level] = int.from_bytes(bits.digest(), "little")
    return (drawn % np.array([h * w for h, w in grids], np.uint64)).astype(np.int32)
