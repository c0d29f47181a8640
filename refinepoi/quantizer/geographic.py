"""Geographic cells: rows from north to south and columns from west to east, and again within each cell.

Each axis is first stretched to 0..1, by the quantiles of the places learned from (crowded quarters get more cells) or
evenly; level 1 cuts it into H (or W) equal parts, level 2 cuts each part again: the digits of a number. Embeddings are
not looked at; decoding gives the mean vector of the places under a prefix.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.files import read_array, read_json, write_array, write_json
from refinepoi.quantizer.lattice import Topology
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.prefix_means import PrefixMeans
from refinepoi.quantizer.quantizer import F32, I32, Grids
from refinepoi.quantizer.winners import F64

KNOTS = 1025
BELOW_ONE = 1 - 2**-53
KM_PER_DEGREE = 111.2


@dataclass(frozen=True, eq=False)
class Ground:
    """Both axes of the city. knots: float64 [2, K], increasing: south-to-north minus latitude, and longitude."""

    grids: Grids
    knots: F64

    @classmethod
    def of(cls, places: Places, grids: Grids, cells: str) -> Self:
        axes = np.stack([-places.latitude, places.longitude])
        knots = KNOTS if cells == "quantiles" else 2
        return cls(grids, np.quantile(axes, np.linspace(0, 1, knots), axis=1).T)

    def stretched(self, places: Places) -> F64:
        """float64 [2, N] in 0..1, below 1; places outside the city lie on its edge."""
        levels = np.linspace(0, 1, self.knots.shape[1])
        axes = zip((-places.latitude, places.longitude), self.knots, strict=True)
        return np.minimum(np.stack([np.interp(axis, knots, levels) for axis, knots in axes]), BELOW_ONE)

    def codes(self, at: F64) -> I32:
        """at: [2, N] in 0..1 -> int32 [N, L], digit by digit."""
        at, codes = at.copy(), []
        for height, width in self.grids:
            at *= np.array([[height], [width]])
            row, column = np.floor(at)
            at -= np.floor(at)
            codes.append(row * width + column)
        return np.stack(codes, 1).astype(np.int32)

    def corner(self, codes: I32) -> tuple[F64, F64]:
        """Low corner [2, N] and size [2, 1] in 0..1 of the cells of prefixes int32 [N, l]."""
        low, size = np.zeros((2, len(codes))), np.ones((2, 1))
        for level in range(codes.shape[1]):
            height, width = self.grids[level]
            size = size / np.array([[height], [width]])
            low += np.stack(np.divmod(codes[:, level], width)) * size
        return low, size

    def degrees(self, at: F64) -> F64:
        """Back from 0..1: [2, ...] minus latitude, longitude."""
        levels = np.linspace(0, 1, self.knots.shape[1])
        return np.stack([np.interp(axis, levels, knots) for axis, knots in zip(at, self.knots, strict=True)])


@dataclass(frozen=True, eq=False)
class GroundSpace:
    """Squared kilometres to the middle of cells."""

    ground: Ground
    places: Places

    def distances(self, codes: I32, rows: npt.NDArray[np.int64], level: int) -> F64:
        low, size = self.ground.corner(codes[rows, :level])
        height, width = self.ground.grids[level]
        cell = (np.stack(np.divmod(np.arange(height * width), width)) + 0.5) / np.array([[height], [width]])
        north, east = self.ground.degrees(low[:, :, None] + cell[:, None] * size[:, :, None])
        here = self.places[rows]
        north = (north + here.latitude[:, None]) * KM_PER_DEGREE
        east = (east - here.longitude[:, None]) * KM_PER_DEGREE * np.cos(np.deg2rad(here.latitude))[:, None]
        return north**2 + east**2

    def below(self, codes: I32, rows: npt.NDArray[np.int64], level: int) -> I32:
        low, size = self.ground.corner(codes[rows, : level + 1])
        at = np.clip(self.ground.stretched(self.places[rows]), low, low + size * BELOW_ONE)
        within = np.clip((at - low) / size, 0, BELOW_ONE)
        return Ground(self.ground.grids[level + 1 :], self.ground.knots).codes(within)

    def of_vectors(self, level: int) -> bool:
        return False


@dataclass(frozen=True, eq=False)
class GeographicQuantizer:
    ground: Ground
    means: PrefixMeans
    topology: Topology = "rectangular"
    books: None = None

    @classmethod
    def fit(cls, places: Places, grids: Grids, cells: str) -> Self:
        known = places.known
        ground = Ground.of(known, grids, cells)
        return cls(ground, PrefixMeans.of(grids, ground.codes(ground.stretched(known)), known.vectors))

    @property
    def grids(self) -> Grids:
        return self.ground.grids

    def encode(self, places: Places) -> I32:
        return self.ground.codes(self.ground.stretched(places))

    def decode(self, codes: npt.NDArray[np.integer], levels: int | None = None) -> F32:
        return self.means.decode(codes, levels)

    def space(self, places: Places) -> GroundSpace:
        return GroundSpace(self.ground, places)

    def save(self, folder: Path) -> None:
        write_json(folder / "facts.json", {"grids": self.grids})
        write_array(folder / "knots.npy", self.ground.knots)
        self.means.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        grids = tuple((height, width) for height, width in read_json(folder / "facts.json")["grids"])
        return cls(Ground(grids, read_array(folder / "knots.npy")), PrefixMeans.load(folder, grids))
