"""Winner search: the nearest node of each row, exactly, at the speed of a matrix product.

|x - w|^2 = |x - c|^2 + 2 (|w - c|^2 / 2 + c.(w - c) - x.(w - c)) for any fixed c. With c the mean of the data, one
product per chunk gives all that depends on the node, at a rounding error that grows with |c| instead of |c|^2, and
without a centred copy of x. Chunks of about 2 MB stay in the cache, where NumPy's argmin runs 10-20 times faster than
torch's (docs/method.md section 3). All is divided by scale^2, so that huge and tiny data neither overflow nor vanish.

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
        factor = centred / scale / scale
        bias = np.square(centred / scale).sum(1) / 2 + factor @ centre
        self._factor = torch.from_numpy(np.ascontiguousarray(-factor, np.float32))
        self._bias = torch.from_numpy(bias.astype(np.float32))
        self._rows = max(1, CHUNK_BYTES // (4 * self.nodes))

    def nearest(self, x: F32) -> tuple[npt.NDArray[np.int64], F32]:
        """
        x: float32 [n, D], contiguous. Returns the nearest node of each row, int64 [n] (the lowest number among
        equals), and `score` float32 [n]: |x - w|^2 / scale^2 = |x - c|^2 / scale^2 + 2 score.
        """
        codes, scores = np.empty(len(x), np.int64), np.empty(len(x), np.float32)
        for start in range(0, len(x), self._rows):
            table = self._table(x[start : start + self._rows])
            part = slice(start, start + len(table))
            np.argmin(table, axis=1, out=codes[part])
            scores[part] = table[np.arange(len(table)), codes[part]]
        return codes, scores

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
