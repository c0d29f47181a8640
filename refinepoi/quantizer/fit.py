"""From a spec to codes: the one place that knows every quantizer.

Rows that are not in training are encoded, never trained on; random codes are drawn for them alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refinepoi.core.seeding import generator
from refinepoi.core.spec import grid_shape
from refinepoi.quantizer.collisions import GridSpace, Space, VectorSpace
from refinepoi.quantizer.hierarchy import I32, Codebooks, at_level, fit_levels
from refinepoi.quantizer.kmeans import fit_kmeans
from refinepoi.quantizer.lattice import Topology
from refinepoi.quantizer.spec import KMeansSpec, MiniSomSpec, RandomSpec, SomSpec
from refinepoi.quantizer.winners import F32

OnEpoch = Callable[[int, int, float, float], None]
"""(level from 0, epoch from 0, quantization error, sigma)."""
Grids = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Quantized:
    """codes: int32 [N, L] before any collision policy; books: None for random codes; space: for the policy."""

    codes: I32
    grids: Grids
    books: Codebooks | None
    space: Space
    topology: Topology = "rectangular"


def fit(
    spec: SomSpec | MiniSomSpec | KMeansSpec | RandomSpec,
    x: F32,
    trained: npt.NDArray[np.bool_] | None = None,
    on_epoch: OnEpoch | None = None,
) -> Quantized:
    """x: float32 [N, D]; trained: bool [N], rows to learn from (all)."""
    grids = tuple(grid_shape(text) for text in spec.levels)
    if isinstance(spec, RandomSpec):
        draw = generator(spec.seed, "random codes")
        codes = np.column_stack([draw.integers(0, h * w, len(x)) for h, w in grids]).astype(np.int32)
        return Quantized(codes, grids, None, GridSpace(codes, grids))
    known = x if trained is None else x[trained]

    def fit_level(residual: F32, level: int) -> F32:
        def report(epoch: int, error: float, sigma: float) -> None:
            if on_epoch is not None:
                on_epoch(level, epoch, error, sigma)

        height, width = grids[level]
        if isinstance(spec, KMeansSpec):
            return fit_kmeans(residual, height * width, iterations=spec.iterations, seed=spec.seed, level=level)
        start, end = spec.sigma_start * max(height, width), at_level(spec.sigma_end, level)
        if isinstance(spec, MiniSomSpec):
            from refinepoi.quantizer.minisom_backend import fit_minisom

            return fit_minisom(
                residual, (height, width), training=spec.training, epochs=spec.epochs, init=spec.init,
                sigma_start=start, sigma_end=end, learning_rate=spec.learning_rate, seed=spec.seed, on_epoch=report,
            )  # fmt: skip
        from refinepoi.quantizer.module import fit_som
        from refinepoi.quantizer.som import BatchSOM

        som = BatchSOM(
            height, width, epochs=spec.epochs, sigma_start=start, sigma_end=end, decay=spec.decay,
            init=spec.init, topology=spec.topology, seed=spec.seed + level,
        )  # fmt: skip
        return fit_som(som, residual, report).weights_

    books = fit_levels(known, grids, fit_level)
    topology: Topology = spec.topology if isinstance(spec, SomSpec) else "rectangular"
    return Quantized(books.encode(x), grids, books, VectorSpace(x, books), topology)


def epochs_of(spec: SomSpec | MiniSomSpec | KMeansSpec | RandomSpec) -> int:
    """Epochs of one level, for progress: 1 where a level is one step."""
    if isinstance(spec, SomSpec) or (isinstance(spec, MiniSomSpec) and spec.training == "batch_offline"):
        return spec.epochs
    return 1
