"""What each update of a map sees: sigma over the epochs, which rows, on which grid (docs/method.md section 3).

sigma_t = sigma_0 (sigma_T / sigma_0)^(t/T), t = 0..T, T the number of the last update: the first uses sigma_0 and the
last one sigma_T. One update alone uses sigma_T. `linear` and `cosine` run between the same ends.

`plain` makes one update an epoch, of all rows. With `batch_rows`, an epoch has several updates, each of every k-th row
(so that sorted data do no harm), beside what earlier batches left: sums that fade so as to weigh one pass.

`multi_resolution` spends little while the neighbourhood is wide: the grid starts coarse and doubles as soon as sigma
falls below MESH of its cells, with ROWS_PER_NODE rows for each node; on the full grid the number of rows grows until
the last FULL_PASSES take all of them. A wide neighbourhood averages over many rows and nodes: neither the nodes left
out nor the rows are missed.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Decay = Literal["exponential", "linear", "cosine"]
Schedule = Literal["plain", "multi_resolution"]
MESH = 1.0
FULL_PASSES = 3
ROWS_PER_NODE = 4


@dataclass(frozen=True)
class Step:
    """
    One update. height, width: the grid it works on; sigma: in cells of that grid; the rows `offset::stride`;
    keep: the share of the sums before it that still counts.
    """

    height: int
    width: int
    sigma: float
    stride: int = 1
    offset: int = 0
    keep: float = 0.0


def sigmas(start: float, end: float, steps: int, decay: Decay = "exponential") -> npt.NDArray[np.float64]:
    """[steps] sigmas in cells. A start below the end is raised to it: a map never gets stiffer while it trains."""
    start = max(start, end)
    if steps == 1:
        return np.array([end], np.float64)
    t = np.linspace(0.0, 1.0, steps)
    if decay == "linear":
        values = start + (end - start) * t
    elif decay == "cosine":
        values = end + (start - end) * (1 + np.cos(np.pi * t)) / 2
    else:
        values = start * (end / start) ** t
    return values.astype(np.float64)


def plain(
    height: int, width: int, start: float, end: float, epochs: int, decay: Decay, batches: int
) -> list[list[Step]]:
    """Steps of each epoch: as many as there are batches."""
    values = sigmas(start, end, epochs * batches, decay).reshape(epochs, batches)
    keep = 1 - 1 / batches
    return [[Step(height, width, float(s), batches, n, keep) for n, s in enumerate(epoch)] for epoch in values]


def multi_resolution(
    height: int, width: int, start: float, end: float, epochs: int, decay: Decay, rows: int
) -> list[list[Step]]:
    """One step an epoch."""
    values = sigmas(start, end, epochs, decay)
    shrinks = [_shrink(height, width, float(sigma)) for sigma in values]
    first = next((n for n, shrink in enumerate(shrinks) if shrink == 1), epochs)
    ramp = max(epochs - FULL_PASSES - first, 1)  # passes on the full grid before those on all rows
    steps = []
    for number, (sigma, shrink) in enumerate(zip(values, shrinks, strict=True)):
        shrink = 1 if number >= epochs - FULL_PASSES else shrink
        h, w = max(1, round(height / shrink)), max(1, round(width / shrink))
        share = min(1.0, ROWS_PER_NODE * h * w / rows)
        if shrink == 1:
            share **= max(0.0, 1 - (number - first) / ramp) if number < epochs - FULL_PASSES else 0.0
        stride = int(1 / share)
        steps.append([Step(h, w, float(sigma) * max(h, w) / max(height, width), stride, number % stride)])
    return steps


def _shrink(height: int, width: int, sigma: float) -> int:
    """The coarsest power of two by which the grid can shrink: cells below sigma / MESH, and sides of at least 4."""
    shrink = 1
    while sigma / (2 * shrink) >= MESH and max(height, width) / (2 * shrink) >= 4:
        shrink *= 2
    return shrink
