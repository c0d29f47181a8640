"""Rows: any array-like as float32 blocks, checked once, with mean and size, and without a copy of the whole."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from refinepoi.core.errors import DataError

F32 = npt.NDArray[np.float32]
BLOCK = 8192
"""Rows that are handled as one, at least. Sums of blocks are the same however blocks are spread over processes."""
LARGEST_BLOCK = 65536
LARGEST, LEAST_SPREAD = 1e30, 1e-30
"""Squares and their inverses of what lies between are float32 numbers, with room for sums."""
LEAST_SHARE = 1e-5
"""Of the mean's length. float32 resolves 6e-8 of it: wider numbers spread less than this would stand on 200 steps."""


def block_size(nodes: int) -> int:
    """Rows of a block for a map of so many nodes: eight a node, since each block costs a table of sums per node."""
    return min(max(BLOCK, 8 * nodes), LARGEST_BLOCK)


@dataclass(frozen=True)
class Rows:
    """
    x: [N, D] of any real dtype and layout; converted block by block.
    mean: float64 [D]. norms: float32 [N], |x - mean|^2 / scale^2. scale: largest |x - mean|, as a power of two.
    longest: a bound of |x|. size: rows of a block.
    """

    x: npt.NDArray[np.generic]
    mean: npt.NDArray[np.float64]
    norms: F32
    scale: float
    longest: float
    size: int = BLOCK

    @classmethod
    def survey(cls, x: npt.ArrayLike) -> Self:
        """Check and measure. Raises DataError for a wrong shape and for rows that are no finite, usable numbers."""
        table = as_table(x)
        total = np.zeros(table.shape[1], np.float64)
        for block in blocks(table):
            total += block.sum(0, dtype=np.float64)
        mean = total / len(table)
        norms = np.empty(len(table), np.float64)
        for number, block in enumerate(blocks(table)):
            away = block - mean  # float64: also right where squares leave the range of float32
            norms[number * BLOCK : number * BLOCK + len(block)] = np.einsum("nd,nd->n", away, away)
        largest, distance = float(np.sqrt(norms.max())), float(np.linalg.norm(mean))
        loses = not np.can_cast(table.dtype, np.float32)
        if loses and largest < LEAST_SHARE * distance and not _all_same(table):
            raise DataError(
                f"vectors lie {distance:.3g} from zero and, as float32, {largest:.3g} from their mean at most: they "
                f"can hardly be told apart; subtract the mean first, in {table.dtype}"
            )
        if 0 < largest < LEAST_SPREAD:
            raise DataError(f"vectors differ by {largest:.3g} at most, below {LEAST_SPREAD}: multiply them first")
        scale = float(2.0 ** np.round(np.log2(largest))) if largest > 0 else 1.0
        longest = distance + largest
        return cls(table, mean, (norms / scale**2).astype(np.float32), scale, longest)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def blocks(self) -> int:
        return -(-len(self.x) // self.size)

    def thinned(self, stride: int, offset: int, size: int) -> Self:
        """The rows offset::stride in blocks of `size`; mean, scale and bound stay those of all rows."""
        return replace(self, x=self.x[offset::stride], norms=self.norms[offset::stride], size=size)

    def block(self, number: int) -> tuple[F32, F32]:
        """Rows [n, D] and their norms [n] of one block."""
        part = slice(number * self.size, (number + 1) * self.size)
        return as_block(self.x[part]), self.norms[part]


def as_table(x: npt.ArrayLike) -> npt.NDArray[np.generic]:
    """`x` as a two-dimensional real array with at least one row and column, every value finite and below LARGEST."""
    table = np.asarray(x)
    if table.ndim != 2 or 0 in table.shape:
        raise DataError(f"vectors have shape {table.shape}: give a table of at least one row and one column")
    if table.dtype.kind not in "fiub":
        raise DataError(f"vectors have type {table.dtype}: give real numbers")
    for number, block in enumerate(blocks(table)):
        low, high = block.min(), block.max()
        if low >= -LARGEST and high <= LARGEST:  # false for NaN too
            continue
        bad = np.flatnonzero(~(np.abs(block) <= LARGEST).all(1)) + number * BLOCK
        more = f" (and {bad.size - 1} more near it)" if bad.size > 1 else ""
        raise DataError(
            f"vectors: row {bad[0]}{more} is not finite or larger than {LARGEST:g}; remove, repair or scale such rows"
        )
    return table


def _all_same(table: npt.NDArray[np.generic]) -> bool:
    """Whether all rows are equal as they were given."""
    return all(bool((table[start : start + BLOCK] == table[0]).all()) for start in range(0, len(table), BLOCK))


def blocks(table: npt.NDArray[np.generic]) -> Iterator[F32]:
    for start in range(0, len(table), BLOCK):
        yield as_block(table[start : start + BLOCK])


def as_block(part: npt.NDArray[np.generic]) -> F32:
    """Contiguous, writable float32 (torch refuses less); a view where it already is."""
    with np.errstate(over="ignore"):
        return np.require(part, np.float32, ["C", "W"])
