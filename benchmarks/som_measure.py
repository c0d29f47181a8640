"""What benchmarks/som.py measures with: data and the pieces of an epoch."""

from collections.abc import Callable

import numpy as np
import torch

from refinepoi.quantizer.rows import Rows
from refinepoi.quantizer.schedule import Step
from refinepoi.quantizer.som import BatchSOM
from refinepoi.quantizer.winners import affine, packed


def blobs(rows: int, columns: int) -> np.ndarray:
    """float32 [rows, columns]: 300 blobs, as embeddings are lumpy."""
    draw = np.random.default_rng(0)
    centres = draw.standard_normal((300, columns), dtype=np.float32)
    x = 0.5 * draw.standard_normal((rows, columns), dtype=np.float32)
    x += centres[draw.integers(0, 300, rows)]
    return x


def sheet(rows: int, columns: int) -> np.ndarray:
    """float32 [rows, columns]: a bent sheet of three dimensions with noise, which a map can unfold."""
    draw = np.random.default_rng(1)
    bent = np.tanh((draw.random((rows, 3)) - 0.5) @ draw.standard_normal((3, columns)) * 2)
    return (bent + 0.1 * draw.standard_normal((rows, columns))).astype(np.float32)


def pieces(x: np.ndarray, side: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """The winner search and a whole epoch of a map half-way through its training."""
    rows, som, step = Rows.survey(x), BatchSOM(side, side, device="cpu"), Step(side, side, side / 8)
    som.start(rows)
    som.steps_ = [[step]] * 100_000

    def epoch() -> None:
        total = som.begin(step)
        for number in range(som.blocks_of(step)):
            som.accumulate(total, number)
        som.update(total)

    epoch()
    search = som._search
    return lambda: search.nearest(x, rows.longest), epoch


def product(x: np.ndarray, nodes: int, chunk_bytes: int, onednn: bool) -> Callable[[], object]:
    """The matrix product of a winner search alone, in chunks."""
    data, chunk = torch.from_numpy(x), chunk_bytes // (4 * nodes)
    weights, bias = torch.randn(nodes, x.shape[1]), torch.randn(nodes)
    ready = packed(weights, chunk) if onednn else weights.T

    def run() -> None:
        for start in range(0, len(data), chunk):
            part = data[start : start + chunk]
            affine(part, ready, bias) if onednn else torch.mm(part, ready)

    return run
