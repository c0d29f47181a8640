"""Winner search: the nearest node of each row, exactly, at the speed of a matrix product.

|x - w|^2 = |x - c|^2 + 2 (|w - c|^2 / 2 + c.(w - c) - x.(w - c)) for any fixed c. With c the mean of the data, one
product per chunk gives all that depends on the node, at a rounding error that grows with |c| instead of |c|^2, and
without a centred copy of x. A chunk's products (2 MB) are still in the cache when they are read again, twice: for the
least and for the second least (docs/method.md section 3). All is divided by scale^2, so that huge and tiny data
neither overflow nor vanish.

Where two nodes come closer than float32 tells apart, those few pairs are decided in float64: winners do not depend on
threads, BLAS, processor or device, and neither do the IDs made of them.

The product goes through oneDNN where torch has it: `torch.mm` uses MKL, which keeps to AVX2 on AMD processors and
takes about twice as long there, as OpenBLAS does (benchmarks/som.py); all compute in float32.
"""

from collections.abc import Iterator
from copy import copy
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from refinepoi.linear import has_onednn

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
CHUNK_BYTES = 2 << 20
LEAST_PIECE = 64


def affine(x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """x [n, D] times weights [K, D] transposed, plus bias [K]. weights: `packed`, for oneDNN, or as they are."""
    if weights.is_mkldnn:
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weights, bias, "none", [], "")
        return product
    return torch.addmm(bias, x, weights.T)


def packed(weights: torch.Tensor, rows: int) -> torch.Tensor:
    """weights in the order oneDNN reads them in for products of about `rows` rows; unchanged where there is none."""
    if not has_onednn():
        return weights
    order: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weights, rows)
    return order


class WinnerSearch:
    """
    centred: float64 [K, D], nodes minus `centre`.
    centre: float64 [D], subtracted from the rows by algebra only.
    scale: size of the data around the centre, a power of two.
    longest: length of the longest node.
    """

    def __init__(self, centred: F64, centre: F64, scale: float) -> None:
        self._centre = centre
        factor = centred / scale / scale
        bias = np.square(centred / scale).sum(1) / 2 + factor @ centre
        self.longest = float(np.sqrt(np.square(centred + centre).sum(1).max()))
        # Rounding of a float32 product of D terms: about sqrt(D) units in the last place of |x| |factor|.
        self._doubt = 2.0**-23 * (4 * np.sqrt(len(centre)) + 4) * float(np.sqrt(np.square(factor).sum(1).max()))
        self._least_doubt = 2.0**-22 * float(np.abs(bias).max())
        self._lay(centred, torch.from_numpy(np.ascontiguousarray(-factor, np.float32)), torch.from_numpy(bias).float())

    @cached_property
    def _packed(self) -> torch.Tensor:
        return packed(self._factor, self._rows)

    def among(self, nodes: I64) -> Self:
        """The search over these nodes alone, int64 [k]: it answers with places in `nodes`."""
        part, picked = copy(self), torch.from_numpy(nodes)
        part._lay(self._centred[nodes], self._factor[picked], self._bias[picked])
        return part

    def _lay(self, centred: F64, factor: torch.Tensor, bias: torch.Tensor) -> None:
        self.nodes, self._centred, self._factor, self._bias = len(centred), centred, factor, bias
        self._rows = max(LEAST_PIECE, 1 << (CHUNK_BYTES // (4 * self.nodes)).bit_length() >> 1)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_packed"}  # of this process and processor

    def nearest(self, x: F32, longest: float | None = None, rows: torch.Tensor | None = None) -> tuple[I64, F32]:
        """
        x: float32 [n, D], contiguous; longest: a bound of the rows' length, where it is known; rows: x on the device
        of the search, where it is there. Returns the nearest node of each row, int64 [n] (the lowest number among
        equals), and `score` float32 [n]: |x - w|^2 / scale^2 = |x - c|^2 / scale^2 + 2 score.
        """
        if longest is None:
            longest = float(np.sqrt(x.shape[1])) * max(float(x.max(initial=0)), -float(x.min(initial=0)))
        doubt = np.float32(self._least_doubt + self._doubt * longest)
        codes, scores, second = self._two_least(x, rows)
        doubtful = np.flatnonzero(second <= scores + doubt)
        for start in range(0, len(doubtful), self._rows):
            part = doubtful[start : start + self._rows]
            codes[part] = self._decide(x[part], doubt)
        return codes, scores

    def _two_least(self, x: F32, rows: torch.Tensor | None) -> tuple[I64, F32, F32]:
        """Of each row's products: where the least is int64 [n], the least and the second least float32 [n]."""
        codes, scores, second = np.empty(len(x), np.int64), np.empty(len(x), np.float32), np.empty(len(x), np.float32)
        rows = torch.from_numpy(x) if rows is None else rows
        first, rest = np.arange(self._rows) * self.nodes, torch.from_numpy(second)
        for part in _pieces(len(x), self._rows):
            table = self._table(rows[part])
            values = table.numpy()
            np.argmin(values, axis=1, out=codes[part])
            flat, least = values.reshape(-1), codes[part] + first[: len(values)]
            scores[part] = flat[least]
            flat[least] = np.inf
            torch.amin(table, 1, out=rest[part])
        return codes, scores, second

    def _decide(self, x: F32, doubt: np.float32) -> I64:
        """The nearest node in float64, int64 [n], among the nodes that float32 does not tell from the least."""
        table = torch.addmm(self._bias, torch.from_numpy(x), self._factor.T).numpy()
        rows, nodes = np.nonzero(table <= table.min(1, keepdims=True) + doubt)
        away = x - self._centre
        if len(rows) > 8 * len(x):  # many equal nodes, as on constant data: one product is cheaper than pairs
            scores = np.square(self._centred).sum(1) / 2 - away @ self._centred.T
            equal = scores <= scores.min(1, keepdims=True) + 1e-14 * np.abs(scores).max()
            found: I64 = equal.argmax(1)
            return found
        squares = np.square(away[rows] - self._centred[nodes]).sum(1)
        order = np.lexsort((nodes, squares, rows))
        first = np.searchsorted(rows, np.arange(len(x)))  # rows rise, and lexsort leaves them where they are
        return nodes[order[first]]

    def _table(self, rows: torch.Tensor) -> torch.Tensor:
        """[n, K] scores of one piece."""
        return affine(rows, self._packed if len(rows) >= LEAST_PIECE else self._factor, self._bias)


def _pieces(rows: int, most: int) -> Iterator[slice]:
    """
    Slices of `most` rows, a power of two, then of its halves, and a rest below LEAST_PIECE. oneDNN keeps a compiled
    kernel and a buffer for every number of rows it meets: these are few.
    """
    start = 0
    while start < rows:
        while most > max(rows - start, LEAST_PIECE):
            most //= 2
        yield slice(start, min(start + most, rows))
        start += most
