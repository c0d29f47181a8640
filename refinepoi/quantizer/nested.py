"""Nested levels: below each cell of a map lie maps of its own, trained on the places of that cell alone.

The other hierarchy (`hierarchy.py`) has one map a level for all places. Here a cell has its own map where it holds at
least `rows_per_node` places for each node of the map below, which also bounds the memory of all maps of a level to the
vectors' over `rows_per_node`. Cells with fewer places share one map of that level, trained on what every place has
left; so a place that falls into a cell where nobody was learned from has a code too.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.files import read_array, read_json, write_array, write_json
from refinepoi.quantizer.collisions import squared_distances
from refinepoi.quantizer.hierarchy import FitLevel, search_of
from refinepoi.quantizer.lattice import Topology
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.quantizer import F32, I32, Grids
from refinepoi.quantizer.winners import F64

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Maps:
    """
    The maps of one level. shared: float32 [nodes, D]; own: float32 [M, nodes, D], those of the prefixes `keys`,
    int64 [M], sorted.
    """

    shared: F32
    keys: npt.NDArray[np.int64]
    own: F32

    def groups(self, keys: npt.NDArray[np.int64]) -> list[tuple[F32, Rows]]:
        """(weights, row numbers) of rows that share a map; keys: int64 [N], the rows' prefixes."""
        place = np.minimum(np.searchsorted(self.keys, keys), max(len(self.keys) - 1, 0))
        which = np.where(self.keys[place] == keys, place, -1) if len(self.keys) else np.full(len(keys), -1)
        order = np.argsort(which, kind="stable")
        cuts = np.flatnonzero(np.diff(which[order])) + 1
        return [
            (self.shared if which[rows[0]] < 0 else self.own[which[rows[0]]], rows)
            for rows in np.split(order, cuts)
            if rows.size
        ]


@dataclass(frozen=True, eq=False)
class NestedQuantizer:
    """maps: of each level; the first has only the shared one."""

    grids: Grids
    maps: tuple[Maps, ...]
    topology: Topology = "rectangular"
    books: None = None

    @classmethod
    def fit(
        cls,
        places: Places,
        grids: Grids,
        fit_shared: FitLevel,
        fit_own: FitLevel,
        rows_per_node: float,
        topology: Topology,
    ) -> Self:
        """`fit_shared` trains the map of a level on all rows, `fit_own` that of one cell: (rows, level) -> weights."""
        left = places.known.vectors
        keys, maps = np.zeros(len(left), np.int64), []
        for level, (height, width) in enumerate(grids):
            shared = np.ascontiguousarray(fit_shared(left, level), np.float32)
            found, cell, counts = np.unique(keys, return_inverse=True, return_counts=True)
            enough = (counts >= rows_per_node * height * width) & (level > 0)
            own = [fit_own(left[cell.ravel() == number], level) for number in np.flatnonzero(enough)]
            stacked = np.stack(own).astype(np.float32) if own else np.empty((0, *shared.shape), np.float32)
            maps.append(Maps(shared, found[enough], stacked))
            codes, left = _step(left, keys, maps[-1])
            keys = keys * (height * width) + codes
        return cls(grids, tuple(maps), topology)

    def encode(self, places: Places) -> I32:
        return self.codes_below(places.vectors, np.zeros(len(places), np.int64), 0)

    def codes_below(self, left: F32, keys: npt.NDArray[np.int64], level: int) -> I32:
        """Codes from `level` on of what is left [N, D] under prefixes [N]: int32 [N, L - level]."""
        codes = np.empty((len(left), len(self.grids) - level), np.int32)
        for number in range(level, len(self.grids)):
            codes[:, number - level], left = _step(left, keys, self.maps[number])
            keys = keys * len(self.maps[number].shared) + codes[:, number - level]
        return codes

    def decode(self, codes: npt.NDArray[np.integer], levels: int | None = None) -> F32:
        total = np.zeros((len(codes), self.maps[0].shared.shape[1]), np.float32)
        for level in range(len(self.grids) if levels is None else levels):
            for weights, rows in self.maps[level].groups(self.keys(codes, level)):
                total[rows] += weights[codes[rows, level]]
        return total

    def keys(self, codes: npt.NDArray[np.integer], levels: int) -> npt.NDArray[np.int64]:
        """One number for each prefix of `levels` codes."""
        key = np.zeros(len(codes), np.int64)
        for level in range(levels):
            key = key * len(self.maps[level].shared) + codes[:, level]
        return key

    def space(self, places: Places) -> "NestedSpace":
        return NestedSpace(self, places.vectors)

    def save(self, folder: Path) -> None:
        write_json(folder / "facts.json", {"grids": self.grids, "topology": self.topology})
        for level, maps in enumerate(self.maps):
            for name in ("shared", "keys", "own"):
                write_array(folder / f"{name}_{level}.npy", getattr(maps, name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        facts = read_json(folder / "facts.json")
        grids = tuple((height, width) for height, width in facts["grids"])
        maps = (
            Maps(*(read_array(folder / f"{name}_{level}.npy") for name in ("shared", "keys", "own")))
            for level in range(len(grids))
        )
        return cls(grids, tuple(maps), facts["topology"])


@dataclass(frozen=True, eq=False)
class NestedSpace:
    """Squared distances in the maps under the rows' own prefixes."""

    quantizer: NestedQuantizer
    vectors: F32

    def distances(self, codes: I32, rows: Rows, level: int) -> F64:
        left = self.vectors[rows] - self.quantizer.decode(codes[rows], level)
        maps, keys = self.quantizer.maps[level], self.quantizer.keys(codes[rows], level)
        found = np.empty((len(rows), len(maps.shared)))
        for weights, group in maps.groups(keys):
            found[group] = squared_distances(left[group], weights)
        return found

    def below(self, codes: I32, rows: Rows, level: int) -> I32:
        left = self.vectors[rows] - self.quantizer.decode(codes[rows], level + 1)
        return self.quantizer.codes_below(left, self.quantizer.keys(codes[rows], level + 1), level + 1)

    def of_vectors(self, level: int) -> bool:
        return True


def _step(left: F32, keys: npt.NDArray[np.int64], maps: Maps) -> tuple[I32, F32]:
    """Winners int32 [N] of one level and what they leave [N, D]."""
    codes, after = np.empty(len(left), np.int32), np.empty_like(left)
    for weights, rows in maps.groups(keys):
        codes[rows] = search_of(weights).nearest(left[rows])[0]
        after[rows] = left[rows] - weights[codes[rows]]
    return codes, after
