"""Category tree: the first levels name a place's category, the others the place within it.

Levels: one or two -> category (and place); three and more -> group, category, place ... Groups and categories are laid
out by a hierarchical SOM of the categories' mean vectors, so that neighbouring cells hold categories alike; each
category then gets a cell of its own (`collisions.nearest_free`). Where there are more categories than cells, the rarer
ones join the nearest category that has one. Places are coded by residual k-means on what the category's mean leaves.
A category never seen in training joins the one whose mean vector is nearest.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.files import read_array, read_json, write_array, write_json
from refinepoi.quantizer.collisions import GridSpace, VectorSpace, nearest_free
from refinepoi.quantizer.hierarchy import Codebooks, fit_levels, search_of
from refinepoi.quantizer.kmeans import fit_kmeans
from refinepoi.quantizer.lattice import Topology
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.prefix_means import PrefixMeans
from refinepoi.quantizer.quantizer import F32, I32, Grids
from refinepoi.quantizer.som import BatchSOM
from refinepoi.quantizer.winners import F64


def category_levels(levels: int) -> int:
    """How many of the levels tell categories apart."""
    return 1 if levels < 3 else 2


@dataclass(frozen=True, eq=False)
class CategoryQuantizer:
    """
    grids: of all levels.
    names: the categories learned, sorted; codes: int32 [K, T], their cells; vectors: float32 [K, D], their means.
    means: of the places under each prefix of the T category levels.
    within: codebooks of the other levels; None where there are none.
    """

    grids: Grids
    names: npt.NDArray[np.str_]
    codes: I32
    vectors: F32
    means: PrefixMeans
    within: Codebooks | None
    topology: Topology = "rectangular"
    books: None = None

    @classmethod
    def fit(cls, places: Places, grids: Grids, *, epochs: int, iterations: int, seed: int) -> Self:
        known, top = places.known, category_levels(len(grids))
        names, kind, counts = np.unique(known.category, return_inverse=True, return_counts=True)
        kind = kind.ravel()
        vectors = PrefixMeans.of(((1, len(names)),), kind[:, None].astype(np.int32), known.vectors).means[0]
        codes = _lay_out(vectors, counts, grids[:top], epochs, seed)
        means = PrefixMeans.of(grids[:top], codes[kind], known.vectors)
        within = None
        if top < len(grids):

            def fit_level(residual: F32, level: int) -> F32:
                height, width = grids[top + level]
                return fit_kmeans(residual, height * width, iterations=iterations, seed=seed, level=top + level)

            within = fit_levels(known.vectors - means.decode(codes[kind]), grids[top:], fit_level)
        return cls(grids, names, codes, vectors, means, within)

    @property
    def top(self) -> int:
        return self.codes.shape[1]

    def encode(self, places: Places) -> I32:
        found = np.minimum(np.searchsorted(self.names, places.category), len(self.names) - 1)
        new = np.flatnonzero(self.names[found] != places.category)
        if new.size:
            found[new] = search_of(self.vectors).nearest(places.vectors[new])[0]
        upper = self.codes[found]
        return np.column_stack([upper, self.place_codes(places.vectors, upper)]).astype(np.int32)

    def place_codes(self, vectors: F32, upper: I32) -> I32:
        """Codes of the place levels under category codes: float32 [N, D], int32 [N, T] -> int32 [N, L - T]."""
        if self.within is None or not len(vectors):
            return np.empty((len(vectors), len(self.grids) - self.top), np.int32)
        return self.within.encode(vectors - self.means.decode(upper))

    def decode(self, codes: npt.NDArray[np.integer], levels: int | None = None) -> F32:
        levels = len(self.grids) if levels is None else levels
        vectors = self.means.decode(codes, min(levels, self.top))
        if self.within is not None and levels > self.top:
            vectors = vectors + self.within.decode(codes[:, self.top :], levels - self.top)
        return vectors

    def space(self, places: Places) -> "CategorySpace":
        return CategorySpace(self, places.vectors, GridSpace(self.encode(places), self.grids))

    def save(self, folder: Path) -> None:
        write_json(folder / "facts.json", {"grids": self.grids, "names": self.names.tolist()})
        write_array(folder / "codes.npy", self.codes)
        write_array(folder / "vectors.npy", self.vectors)
        self.means.save(folder)
        for level, weights in enumerate(self.within.weights if self.within else ()):
            write_array(folder / f"level_{level + self.top}.npy", weights)

    @classmethod
    def load(cls, folder: Path) -> Self:
        facts, codes = read_json(folder / "facts.json"), read_array(folder / "codes.npy")
        grids, top = tuple((height, width) for height, width in facts["grids"]), codes.shape[1]
        weights = tuple(read_array(folder / f"level_{level}.npy") for level in range(top, len(grids)))
        return cls(
            grids, np.array(facts["names"], np.str_), codes, read_array(folder / "vectors.npy"),
            PrefixMeans.load(folder, grids[:top]), Codebooks(grids[top:], weights) if weights else None,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class CategorySpace:
    """Between categories the distance on the map that laid them out, within one the distance of vectors."""

    quantizer: CategoryQuantizer
    vectors: F32
    map: GridSpace

    def distances(self, codes: I32, rows: npt.NDArray[np.int64], level: int) -> F64:
        quantizer, top = self.quantizer, self.quantizer.top
        if level < top or quantizer.within is None:
            return self.map.distances(codes, rows, level)
        left = self.vectors[rows] - quantizer.means.decode(codes[rows, :top])
        space = VectorSpace(left, quantizer.within)
        return space.distances(codes[rows, top:], np.arange(len(rows)), level - top)

    def below(self, codes: I32, rows: npt.NDArray[np.int64], level: int) -> I32:
        quantizer, top = self.quantizer, self.quantizer.top
        upper = codes[rows, :top]
        if level < top or quantizer.within is None:
            place = quantizer.place_codes(self.vectors[rows], upper)
            return np.column_stack([upper[:, level + 1 :], place]).astype(np.int32)
        space = VectorSpace(self.vectors[rows] - quantizer.means.decode(upper), quantizer.within)
        return space.below(codes[rows, top:], np.arange(len(rows)), level - top)

    def of_vectors(self, level: int) -> bool:
        return level >= self.quantizer.top


def _lay_out(vectors: F32, counts: npt.NDArray[np.int64], grids: Grids, epochs: int, seed: int) -> I32:
    """Cells of categories, int32 [K, T]: the most frequent get one each, the others that of the nearest of those."""
    room = int(np.prod([height * width for height, width in grids]))
    frequent = np.argsort(-counts, kind="stable")[:room]

    def fit_level(residual: F32, level: int) -> F32:
        som = BatchSOM(*grids[level], epochs=epochs, seed=seed + level)
        return som.fit(residual).weights_

    books = fit_levels(vectors[frequent], grids, fit_level)
    cells = nearest_free(books.encode(vectors[frequent]), grids, VectorSpace(vectors[frequent], books))
    codes: I32 = cells[search_of(vectors[frequent]).nearest(vectors)[0]]
    codes[frequent] = cells
    return codes
