"""Mean vector of the places under a code prefix: what codes say of vectors where the quantizer never looked at them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.files import read_array, write_array
from refinepoi.quantizer.quantizer import F32, I32, Grids


@dataclass(frozen=True, eq=False)
class PrefixMeans:
    """
    mean: float32 [D], of all places learned from.
    keys: for each level the prefixes that hold such a place, int64 [cells], sorted; means: float32 [cells, D].
    """

    grids: Grids
    mean: F32
    keys: tuple[npt.NDArray[np.int64], ...]
    means: tuple[F32, ...]

    @classmethod
    def of(cls, grids: Grids, codes: I32, vectors: F32) -> Self:
        """codes: int32 [N, L] of the places to learn from; vectors: float32 [N, D]."""
        keys, means = [], []
        for level in range(len(grids)):
            found, cell, counts = np.unique(_keys(codes, grids, level), return_inverse=True, return_counts=True)
            order = np.argsort(cell.ravel(), kind="stable")
            starts = np.r_[0, np.cumsum(counts)[:-1]]
            sums = np.add.reduceat(vectors[order].astype(np.float64), starts, axis=0)
            keys.append(found)
            means.append((sums / counts[:, None]).astype(np.float32))
        return cls(grids, vectors.mean(0, dtype=np.float64).astype(np.float32), tuple(keys), tuple(means))

    def decode(self, codes: npt.NDArray[np.integer], levels: int | None = None) -> F32:
        """Mean under the longest prefix of at most `levels` codes that holds a place; [N, L] -> float32 [N, D]."""
        decoded = np.repeat(self.mean[None], len(codes), axis=0)
        for level in range(len(self.grids) if levels is None else levels):
            wanted = _keys(codes, self.grids, level)
            place = np.minimum(np.searchsorted(self.keys[level], wanted), len(self.keys[level]) - 1)
            hit = self.keys[level][place] == wanted
            decoded[hit] = self.means[level][place[hit]]
        return decoded

    def save(self, folder: Path) -> None:
        write_array(folder / "mean.npy", self.mean)
        for level, (keys, means) in enumerate(zip(self.keys, self.means, strict=True)):
            write_array(folder / f"prefixes_{level}.npy", keys)
            write_array(folder / f"means_{level}.npy", means)

    @classmethod
    def load(cls, folder: Path, grids: Grids) -> Self:
        keys = tuple(read_array(folder / f"prefixes_{level}.npy") for level in range(len(grids)))
        means = tuple(read_array(folder / f"means_{level}.npy") for level in range(len(grids)))
        return cls(grids, read_array(folder / "mean.npy"), keys, means)


def _keys(codes: npt.NDArray[np.integer], grids: Grids, level: int) -> npt.NDArray[np.int64]:
    """One number for each prefix of `level` + 1 codes."""
    key = np.zeros(len(codes), np.int64)
    for number, (height, width) in enumerate(grids[: level + 1]):
        key = key * (height * width) + codes[:, number]
    return key
