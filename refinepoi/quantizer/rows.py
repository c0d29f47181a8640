"""Rows: any array-like as float32 blocks, checked once, with mean and size, and without a copy of the whole."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refinepoi.core.errors import DataError

F32 = npt.NDArray[np.float32]
BLOCK = 8192
"""Rows that are handled as one. Fixed, so that sums are the same however blocks are spread over processes."""


@dataclass(frozen=True)
class Rows:
    """
    x: [N, D] of any real dtype and layout; converted block by block.
    mean: float64 [D]. norms: float32 [N], |x - mean|^2 / scale^2. scale: largest |x - mean|, as a power of two.
    """

    x: npt.NDArray[np.generic]
    mean: npt.NDArray[np.float64]
    norms: F32
    scale: float

    @classmethod
    def survey(cls, x: npt.ArrayLike) -> "Rows":
        """Check and measure. Raises DataError for a wrong shape and for rows that are no finite float32 numbers."""
        table = as_table(x)
        total = np.zeros(table.shape[1], np.float64)
        for block in blocks(table):
            total += block.sum(0, dtype=np.float64)
        mean = total / len(table)
        norms = np.empty(len(table), np.float64)
        for number, block in enumerate(blocks(table)):
            away = block - mean  # float64: also right where squares leave the range of float32
            norms[number * BLOCK : number * BLOCK + len(block)] = np.einsum("nd,nd->n", away, away)
        largest = float(np.sqrt(norms.max()))
        scale = 2.0 ** np.round(np.log2(largest)) if largest > 0 else 1.0
        return cls(table, mean, (norms / scale**2).astype(np.float32), float(scale))

    def __len__(self) -> int:
        return len(self.x)

    @property
    def blocks(self) -> int:
        return -(-len(self.x) // BLOCK)

    def block(self, number: int) -> tuple[F32, F32]:
        """Rows [n, D] and their norms [n] of one block."""
        part = slice(number * BLOCK, (number + 1) * BLOCK)
        return as_block(self.x[part]), self.norms[part]


def as_table(x: npt.ArrayLike) -> npt.NDArray[np.generic]:
    """`x` as a two-dimensional real array with at least one row and column, every value finite as float32."""
    table = np.asarray(x)
    if table.ndim != 2 or 0 in table.shape:
        raise DataError(f"vectors have shape {table.shape}: give a table of at least one row and one column")
    if table.dtype.kind not in "fiub":
        raise DataError(f"vectors have type {table.dtype}: give real numbers")
    for number, block in enumerate(blocks(table)):
        bad = np.flatnonzero(~np.isfinite(block).all(1)) + number * BLOCK
        if bad.size:
            raise DataError(
                f"vectors: row {bad[0]} (and {bad.size - 1} more near it) is not finite as float32; "
                "remove or repair such rows first"
            )
    return table


def blocks(table: npt.NDArray[np.generic]) -> Iterator[F32]:
    for start in range(0, len(table), BLOCK):
        yield as_block(table[start : start + BLOCK])


def as_block(part: npt.NDArray[np.generic]) -> F32:
    """Contiguous float32; a view where it already is."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(part, dtype=np.float32)
