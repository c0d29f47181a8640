"""Sums of an epoch, the same to the last bit in whatever order and on however many processes they are added.

The rows of a block are added per node in float32, in the order of the rows. Such a block sum is rounded to a multiple
of a quantum so small that float32 cannot see it, and so large that the sum over all rows has fewer than 53 bits:
float64 then adds without any rounding, and addition without rounding does not depend on its order.
"""

import numpy as np
import torch

from refinepoi.quantizer.winners import F32, I64


class Sums:
    """
    What rows add up to, before the neighbourhood. flat: float64 [nodes * D + nodes + 1], which holds
    sums [nodes, D], counts [nodes] and the sum of |x - w|.

    reach: bound of a row's length; spread: bound of a distance; rows: how many may be added, over all processes.
    """

    def __init__(self, nodes: int, columns: int, rows: int, reach: float, spread: float) -> None:
        self.flat = np.zeros(nodes * columns + nodes + 1)
        self.sums = self.flat[: nodes * columns].reshape(nodes, columns)
        self.counts = self.flat[nodes * columns : -1]
        self._rounder = _rounder(rows * reach)
        self._error_rounder = _rounder(rows * spread)

    @property
    def error(self) -> float:
        """Sum of the rows' distances to their winners."""
        return float(self.flat[-1])

    def add(self, sums: F32, counts: I64, error: float) -> None:
        """Add a block: float32 [nodes, D], int64 [nodes], and its sum of distances."""
        rounded = sums.astype(np.float64)
        rounded += self._rounder
        rounded -= self._rounder
        self.sums += rounded
        self.counts += counts
        self.flat[-1] += (error + self._error_rounder) - self._error_rounder


def _rounder(bound: float) -> float:
    """
    What to add and take away again to round a float64 below `bound` to multiples of bound / 2^51 or so: at
    1.5 * 2^52 quanta the distance of neighbouring float64 numbers is one quantum.
    """
    if bound <= 0:
        return 0.0
    return float(1.5 * 2.0 ** (np.ceil(np.log2(bound)) + 1))


def node_sums(x: torch.Tensor, codes: I64, nodes: int) -> tuple[F32, I64]:
    """
    Sum of the rows of each node and how many there are: float32 [n, D] on any device, int64 [n] -> float32 [nodes, D],
    int64 [nodes]. Rows are brought in the order of their node (radix sort of small integers) and added segment by
    segment, one after another; no one-hot product.
    """
    small = codes.astype(np.uint16) if nodes <= 1 << 16 else codes
    order = torch.from_numpy(np.argsort(small, kind="stable"))
    counts = np.bincount(codes, minlength=nodes)
    offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(counts)[:-1]]))
    sums = torch.nn.functional.embedding_bag(order.to(x.device), x, offsets.to(x.device), mode="sum")
    return sums.cpu().numpy(), counts
