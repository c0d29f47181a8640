"""Residual levels: each level quantizes what those above left over, r^(l+1) = r^(l) - w_b (docs/method.md section 3).

`fit_levels` trains any quantizer of one level on the residuals of the level before; the `Codebooks` it returns encode
and decode rows, those it was trained on and new ones alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refinepoi.core.errors import UserError
from refinepoi.quantizer.rows import as_table, blocks
from refinepoi.quantizer.winners import F32, WinnerSearch

I32 = npt.NDArray[np.int32]
FitLevel = Callable[[F32, int], F32]
"""(residuals [N, D], level) -> weights [nodes, D] of that level."""


@dataclass(frozen=True, eq=False)
class Codebooks:
    """grids: (H, W) of each level; weights: float32 [H * W, D] of each level."""

    grids: tuple[tuple[int, int], ...]
    weights: tuple[F32, ...]

    @property
    def levels(self) -> int:
        return len(self.grids)

    def encode(self, x: npt.ArrayLike) -> I32:
        """Winners level by level: [N, D] -> int32 [N, levels]."""
        table = as_table(x)
        if table.shape[1] != self.weights[0].shape[1]:
            raise UserError(f"vectors have {table.shape[1]} columns, the codebooks {self.weights[0].shape[1]}")
        searches = [search_of(weights) for weights in self.weights]
        parts = []
        for block in blocks(table):
            residual, codes = block, np.empty((len(block), self.levels), np.int32)
            for level, (search, weights) in enumerate(zip(searches, self.weights, strict=True)):
                codes[:, level] = search.nearest(residual)[0]
                residual = residual - weights[codes[:, level]]
            parts.append(codes)
        return np.concatenate(parts)

    def decode(self, codes: npt.NDArray[np.integer], levels: int | None = None) -> F32:
        """Sum of the codes' weights over the first `levels` levels (all): int [N, L] -> float32 [N, D]."""
        total = np.zeros((len(codes), self.weights[0].shape[1]), np.float32)
        for level in range(self.levels if levels is None else levels):
            total += self.weights[level][codes[:, level]]
        return total

    def residual(self, x: F32, codes: npt.NDArray[np.integer], level: int) -> F32:
        """What `level` (0-based) quantizes: x minus the levels above it."""
        return np.asarray(x, np.float32) - self.decode(codes, level)


def search_of(weights: F32) -> WinnerSearch:
    """Winner search over weights as they are, centred at their own mean."""
    wide = weights.astype(np.float64)
    centre = wide.mean(0)
    largest = float(np.sqrt(np.square(wide - centre).sum(1).max()))
    scale = float(2.0 ** np.round(np.log2(largest))) if largest > 0 else 1.0
    return WinnerSearch(wide - centre, centre, scale)


def fit_levels(x: F32, grids: tuple[tuple[int, int], ...], fit_level: FitLevel) -> Codebooks:
    """Train the levels one after another on residuals. x: float32 [N, D]."""
    residual, weights = x, []
    for level in range(len(grids)):
        learned = np.ascontiguousarray(fit_level(residual, level), np.float32)
        search = search_of(learned)
        residual = np.concatenate([block - learned[search.nearest(block)[0]] for block in blocks(residual)])
        weights.append(learned)
    return Codebooks(grids, tuple(weights))


def at_level(values: tuple[float, ...], level: int, levels: int) -> float:
    """The value of one of `levels`; fewer values than levels are spread evenly from the first level to the last."""
    return float(np.interp(level, np.linspace(0, levels - 1, len(values)), values))
