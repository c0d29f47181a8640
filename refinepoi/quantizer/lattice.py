"""Lattice: where the nodes of a map lie, and the Gaussian neighbourhood between them.

Nodes are numbered row-major: node = row * width + column. `smooth` applies h_jb = exp(-|g_j - g_b|^2 / (2 sigma^2))
to per-node values as one small product over rows and one over columns (docs/method.md section 3): exact, since the
Gaussian factorises; on the hexagonal lattice odd rows are shifted by half a cell, which takes two column kernels.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Topology = Literal["rectangular", "toroidal", "hexagonal"]
F64 = npt.NDArray[np.float64]
ROW_STEP = {"rectangular": 1.0, "toroidal": 1.0, "hexagonal": 3**0.5 / 2}


@dataclass(frozen=True)
class Lattice:
    """height, width: cells; topology: `toroidal` joins opposite edges, `hexagonal` gives six neighbours."""

    height: int
    width: int
    topology: Topology = "rectangular"

    @property
    def nodes(self) -> int:
        return self.height * self.width

    @property
    def side(self) -> int:
        return max(self.height, self.width)

    @property
    def neighbours(self) -> int:
        """How many neighbours an inner node has: what `adjacent` counts."""
        return 6 if self.topology == "hexagonal" else 8

    @property
    def positions(self) -> F64:
        """[nodes, 2]: (y, x) of each node in cells."""
        rows, columns = np.divmod(np.arange(self.nodes), self.width)
        shift = 0.5 * (rows % 2) if self.topology == "hexagonal" else 0.0
        return np.stack([rows * ROW_STEP[self.topology], columns + shift], 1).astype(np.float64)

    def offsets(self, a: npt.NDArray[np.integer], b: npt.NDArray[np.integer]) -> F64:
        """[n, 2] absolute differences (y, x) between nodes a and b [n], the short way round on a torus."""
        places = self.positions
        gaps = np.abs(places[a] - places[b])
        if self.topology == "toroidal":
            gaps = np.minimum(gaps, np.array([self.height, self.width]) - gaps)
        return gaps

    def distance(self, a: npt.NDArray[np.integer], b: npt.NDArray[np.integer]) -> F64:
        """[n] Euclidean distances between nodes a and b, in cells."""
        return np.sqrt(np.square(self.offsets(a, b)).sum(1))

    def adjacent(self, a: npt.NDArray[np.integer], b: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """[n] whether a and b are neighbours (or the same): Chebyshev distance <= 1, or one hexagon step."""
        if self.topology == "hexagonal":
            return self.distance(a, b) < 1.01
        return self.offsets(a, b).max(1, initial=0.0) <= 1

    def smooth(self, values: F64, sigma: float) -> F64:
        """sum_b h_jb values_b. values: float64 [nodes, C]; sigma in cells, > 0. Returns float64 [nodes, C]."""
        cube = values.reshape(self.height, self.width, -1)
        rows = self._kernel(self.height, sigma, ROW_STEP[self.topology])
        if self.topology != "hexagonal":
            across = np.matmul(self._kernel(self.width, sigma), cube)
            return (rows @ across.reshape(self.height, -1)).reshape(self.nodes, -1)
        out = np.empty_like(cube)
        for parity in (0, 1):  # what a target row of this parity receives from even and from odd rows
            across = np.empty_like(cube)
            across[0::2] = np.matmul(self._kernel(self.width, sigma, shift=0.5 * parity), cube[0::2])
            across[1::2] = np.matmul(self._kernel(self.width, sigma, shift=0.5 * (parity - 1)), cube[1::2])
            picked = rows[parity::2] @ across.reshape(self.height, -1)
            out[parity::2] = picked.reshape(-1, self.width, cube.shape[2])
        return out.reshape(self.nodes, -1)

    def _kernel(self, cells: int, sigma: float, step: float = 1.0, shift: float = 0.0) -> F64:
        """[target, source] Gaussian along one axis."""
        places = np.arange(cells) * step
        gaps = np.abs(places[:, None] + shift - places[None, :])
        if self.topology == "toroidal":
            gaps = np.minimum(gaps, cells - gaps)
        return np.exp(-np.square(gaps) / (2 * sigma * sigma))
