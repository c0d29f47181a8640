"""Winner search: the nearest node of each row, exactly, at the speed of a matrix product.

|x - w|^2 = |x - c|^2 + 2 (|w - c|^2 / 2 + c.(w - c) - x.(w - c)) for any fixed c. With c the mean of the data, one
product per chunk gives all that depends on the node, at a rounding error that grows with |c| instead of |c|^2, and
without a centred copy of x. Chunks of about 2 MB stay in the cache, where NumPy's argmin runs 10-20 times faster than
torch's (docs/method.md section 3). All is divided by scale^2, so that huge and tiny data neither overflow nor vanish.

Where two nodes come closer than float32 tells apart, those few pairs are decided in float64: winners do not depend on
threads, BLAS or processor, and neither do the IDs made of them.

The product goes through oneDNN where torch has it: `addmm` uses MKL, which keeps to AVX2 on AMD processors and takes
1.8 to 2 times as long there (benchmarks/som.py); both compute in float32.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import torch

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
CHUNK_BYTES = 2 << 20


def affine(x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """x [n, D] times weights [K, D] transposed, plus bias [K]."""
    if _has_onednn():
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weights, bias, "none", [], "")
        return product
    return torch.addmm(bias, x, weights.T)


@cache
def _has_onednn() -> bool:
    """Whether torch's compiled linear layer (what torch.compile emits on CPU) is there and computes what it should."""
    x, weights, bias = torch.ones(2, 3), torch.eye(4, 3), torch.arange(4.0)
    try:
        product = torch.ops.mkldnn._linear_pointwise(x, weights, bias, "none", [], "")
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return bool(torch.equal(product, torch.addmm(bias, x, weights.T)))


class WinnerSearch:
    """
    centred: float64 [K, D], nodes minus `centre`.
    centre: float64 [D], subtracted from the rows by algebra only.
    scale: size of the data around the centre, a power of two.
    """

    def __init__(self, centred: F64, centre: F64, scale: float) -> None:
        self.nodes = len(centred)
        self._centred, self._centre = centred, centre
        factor = centred / scale / scale
        bias = np.square(centred / scale).sum(1) / 2 + factor @ centre
        self._factor = torch.from_numpy(np.ascontiguousarray(-factor, np.float32))
        self._bias = torch.from_numpy(bias.astype(np.float32))
        # Rounding of a float32 product of D terms: about sqrt(D) units in the last place of |x| |factor|.
        self._doubt = 2.0**-23 * (4 * np.sqrt(len(centre)) + 4) * float(np.sqrt(np.square(factor).sum(1).max()))
        self._least_doubt = 2.0**-22 * float(np.abs(bias).max())
        self._rows = max(1, CHUNK_BYTES // (4 * self.nodes))

    def nearest(self, x: F32, longest: float | None = None) -> tuple[npt.NDArray[np.int64], F32]:
        """
        x: float32 [n, D], contiguous; longest: a bound of the rows' length, where it is known. Returns the nearest
        node of each row, int64 [n] (the lowest number among equals), and `score` float32 [n]:
        |x - w|^2 / scale^2 = |x - c|^2 / scale^2 + 2 score.
        """
        codes, scores = np.empty(len(x), np.int64), np.empty(len(x), np.float32)
        if longest is None:
            longest = float(np.sqrt(x.shape[1])) * max(float(x.max(initial=0)), -float(x.min(initial=0)))
        doubt = np.float32(self._least_doubt + self._doubt * longest)
        for start in range(0, len(x), self._rows):
            part = slice(start, start + self._rows)
            table, found = self._table(x[part]), codes[part]
            lines = np.arange(len(table))
            np.argmin(table, axis=1, out=found)
            best = scores[part] = table[lines, found]
            table[lines, found] = np.inf
            second = torch.amin(torch.from_numpy(table), 1).numpy()
            doubtful = np.flatnonzero(second <= best + doubt)
            if doubtful.size:
                table[doubtful, found[doubtful]] = best[doubtful]
                close = table[doubtful] <= (best + doubt)[doubtful, None]
                found[doubtful] = self._decide(x[part][doubtful], close)
        return codes, scores

    def _decide(self, x: F32, close: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """The nearest node in float64, int64 [n], among the nodes that are `close` [n, K] to x [n, D]."""
        away = x.astype(np.float64) - self._centre
        rows, nodes = np.nonzero(close)
        if len(rows) > 8 * len(x):  # many equal nodes, as on constant data: one product is cheaper than pairs
            scores = np.square(self._centred).sum(1) / 2 - away @ self._centred.T
            equal = scores <= scores.min(1, keepdims=True) + 1e-14 * np.abs(scores).max()
            found: npt.NDArray[np.int64] = equal.argmax(1)
            return found
        squares = np.square(away[rows] - self._centred[nodes]).sum(1)
        order = np.lexsort((nodes, squares, rows))
        first = np.flatnonzero(np.r_[True, np.diff(rows[order]) > 0])
        return nodes[order][first]

    def two_nearest(self, x: F32) -> npt.NDArray[np.int64]:
        """[n, 2] nearest and second nearest node of each row. Needs at least two nodes."""
        pairs = np.empty((len(x), 2), np.int64)
        for start in range(0, len(x), self._rows):
            table = self._table(x[start : start + self._rows])
            part, lines = slice(start, start + len(table)), np.arange(len(table))
            np.argmin(table, axis=1, out=pairs[part, 0])
            table[lines, pairs[part, 0]] = np.inf
            pairs[part, 1] = table.argmin(1)
        return pairs

    def _table(self, x: F32) -> F32:
        """[n, K] scores of one chunk."""
        table: F32 = affine(torch.from_numpy(x), self._factor, self._bias).numpy()
        return table


def node_sums(x: F32, codes: npt.NDArray[np.int64], nodes: int) -> tuple[F64, F64]:
    """
    Sum of the rows of each node and how many there are: float64 [nodes, D], float64 [nodes].
    Rows are brought in the order of their node (radix sort of small integers) and summed segment by segment; no
    one-hot product.
    """
    small = codes.astype(np.uint16) if nodes <= 1 << 16 else codes
    order = torch.from_numpy(np.argsort(small, kind="stable"))
    counts = np.bincount(codes, minlength=nodes)
    offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(counts)[:-1]]))
    sums = torch.nn.functional.embedding_bag(order, torch.from_numpy(x), offsets, mode="sum")
    return sums.numpy().astype(np.float64), counts.astype(np.float64)
