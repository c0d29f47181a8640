"""Batch self-organising map: Gaussian neighbourhood, exact winners, rectangular, toroidal or hexagonal H x W grids.

    b_i = argmin_j |x_i - w_j|^2      w_j <- sum_i h_j,b_i x_i / sum_i h_j,b_i      (docs/method.md section 3)

One epoch is `accumulate` over blocks of rows (sums and counts per node; these add up over processes) and one `update`.
Sums are kept in float64, winners are searched in float32. A node that no row reaches keeps its weights.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from refinepoi.core.errors import UserError
from refinepoi.quantizer.initial import Init, first_weights
from refinepoi.quantizer.lattice import Lattice, Topology
from refinepoi.quantizer.rows import Rows, as_table, blocks
from refinepoi.quantizer.schedule import Decay, sigmas
from refinepoi.quantizer.winners import F32, F64, WinnerSearch, node_sums

TINY = 1e-280  # a neighbourhood weight below this is rounding, not data


@dataclass
class Sums:
    """What rows add up to, before the neighbourhood: sums [nodes, D], counts [nodes], errors (sum |x - w|)."""

    sums: F64
    counts: F64
    error: float = 0.0
    squared: float = 0.0

    def __iadd__(self, other: "Sums") -> "Sums":
        self.sums += other.sums
        self.counts += other.counts
        self.error += other.error
        self.squared += other.squared
        return self


class BatchSOM:
    """A self-organising map with the habits of a scikit-learn estimator.

    Parameters
    ----------
    height, width: cells of the grid.
    epochs: passes over the data.
    sigma_start: first neighbourhood radius in cells; None: a quarter of the longer side.
    sigma_end: last radius in cells. Near 0.5 keeps topology best, 0.3 fits closer.
    decay: "exponential", "linear" or "cosine" between the two.
    init: "pca" (deterministic), "sample" (rows) or "random" (Gaussian noise), drawn by `seed`.
    topology: "rectangular", "toroidal" (opposite edges join) or "hexagonal".

    Attributes after `fit`: weights_ float32 [height * width, D], row-major; sigmas_ [epochs];
    quantization_errors_: mean distance to the winner before each epoch's update, one per epoch.

    Rows must be finite as float32 (DataError otherwise); any real dtype and memory layout is taken, and there may be
    fewer rows than cells. Equal distances go to the lowest node number.

    >>> import numpy as np
    >>> points = np.random.default_rng(0).random((500, 3))
    >>> som = BatchSOM(6, 8, epochs=10).fit(points)
    >>> som.predict(points[:3]).shape
    (3,)
    >>> som.transform(points[:3]).shape  # row and column of each winner
    (3, 2)
    >>> bool(som.quantization_errors_[-1] < som.quantization_errors_[0])
    True
    """

    def __init__(
        self,
        height: int = 16,
        width: int = 16,
        *,
        epochs: int = 20,
        sigma_start: float | None = None,
        sigma_end: float = 0.5,
        decay: Decay = "exponential",
        init: Init = "pca",
        topology: Topology = "rectangular",
        seed: int = 0,
    ) -> None:
        self.height, self.width = height, width
        self.epochs = epochs
        self.sigma_start, self.sigma_end = sigma_start, sigma_end
        self.decay: Decay = decay
        self.init: Init = init
        self.topology: Topology = topology
        self.seed = seed

    # -- the estimator ------------------------------------------------------------------------------------------

    def fit(self, x: npt.ArrayLike, y: object = None, on_epoch: Callable[[int, float], None] | None = None) -> Self:
        """Train on x [N, D]. `on_epoch(epoch, quantization error)` is called after each epoch. y is ignored."""
        rows = Rows.survey(x)
        self.start(rows)
        for epoch, sigma in enumerate(self.sigmas_):
            total = self.empty_sums()
            for number in range(rows.blocks):
                total += self.accumulate(*rows.block(number))
            self.update(total, float(sigma))
            if on_epoch is not None:
                on_epoch(epoch, self.quantization_errors_[-1])
        return self

    def predict(self, x: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Winner of each row: int32 [N]."""
        table = as_table(x)
        if table.shape[1] != self.weights_.shape[1]:
            raise UserError(f"vectors have {table.shape[1]} columns, the map was trained on {self.weights_.shape[1]}")
        search = WinnerSearch(self._centred, self._centre, self._scale)
        return np.concatenate([search.nearest(block)[0] for block in blocks(table)]).astype(np.int32)

    def transform(self, x: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Row and column of each winner: int32 [N, 2]."""
        return np.stack(np.divmod(self.predict(x), self.width), 1).astype(np.int32)

    def fit_predict(self, x: npt.ArrayLike, y: object = None) -> npt.NDArray[np.int32]:
        return self.fit(x).predict(x)

    def fit_transform(self, x: npt.ArrayLike, y: object = None) -> npt.NDArray[np.int32]:
        return self.fit(x).transform(x)

    def inverse_transform(self, nodes: npt.NDArray[np.integer[Any]]) -> F32:
        """Weights of nodes: int [N] -> float32 [N, D]."""
        return self.weights_[nodes]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        unknown = set(params) - set(self.get_params())
        if unknown:
            raise UserError(f"BatchSOM has no parameter {sorted(unknown)}; it has {sorted(self.get_params())}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"BatchSOM({', '.join(f'{k}={v!r}' for k, v in self.get_params().items())})"

    # -- one epoch, in pieces -----------------------------------------------------------------------------------

    def start(self, rows: Rows, weights: npt.ArrayLike | None = None) -> None:
        """Lay out the sigmas and the first weights (those given, [nodes, D], or by `init`)."""
        if self.height < 1 or self.width < 1 or self.epochs < 1:
            raise UserError(f"{self!r}: height, width and epochs must be at least 1")
        if self.sigma_end <= 0 or (self.sigma_start is not None and self.sigma_start <= 0):
            raise UserError(f"{self!r}: sigmas must be above 0")
        self.lattice = Lattice(self.height, self.width, self.topology)
        first = self.lattice.side / 4 if self.sigma_start is None else self.sigma_start
        self.sigmas_ = sigmas(first, self.sigma_end, self.epochs, self.decay)
        self._centre, self._scale = rows.mean, rows.scale
        if weights is None:
            self._place(first_weights(rows, self.lattice, self.init, self.seed))
        else:
            self._place(np.asarray(weights, np.float64).reshape(self.lattice.nodes, -1) - rows.mean)
        self.quantization_errors_: list[float] = []

    def empty_sums(self) -> Sums:
        return Sums(np.zeros_like(self._centred), np.zeros(self.lattice.nodes))

    def accumulate(self, block: F32, norms: F32) -> Sums:
        """What one block of rows [n, D] (with `Rows.norms` [n]) adds to an epoch. Sums are relative to the centre."""
        longest = float(np.sqrt(norms.max(initial=0))) * self._scale + float(np.linalg.norm(self._centre))
        codes, scores = self._search.nearest(block, longest)
        sums, counts = node_sums(block, codes, self.lattice.nodes)
        sums -= counts[:, None] * self._centre
        squared = np.maximum(norms + 2 * scores, 0).astype(np.float64)
        return Sums(sums, counts, float(np.sqrt(squared).sum()) * self._scale, float(squared.sum()) * self._scale**2)

    def update(self, total: Sums, sigma: float) -> None:
        """Move every node to the neighbourhood mean of the epoch's sums."""
        if sigma > 0:
            smoothed = self.lattice.smooth(np.column_stack([total.sums, total.counts]), sigma)
        else:  # no neighbourhood: k-means
            smoothed = np.column_stack([total.sums, total.counts])
        weight = smoothed[:, -1:]
        reached = weight > TINY
        self._place(np.where(reached, smoothed[:, :-1] / np.where(reached, weight, 1.0), self._centred))
        self.quantization_errors_.append(total.error / max(total.counts.sum(), 1.0))

    def _place(self, centred: F64) -> None:
        self._centred = centred
        self.weights_: F32 = (centred + self._centre).astype(np.float32)
        self._search = WinnerSearch(centred, self._centre, self._scale)
