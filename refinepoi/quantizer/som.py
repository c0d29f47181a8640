"""Batch self-organising map: Gaussian neighbourhood, exact winners, rectangular, toroidal or hexagonal H x W grids.

    b_i = argmin_j |x_i - w_j|^2      w_j <- sum_i h_j,b_i x_i / sum_i h_j,b_i      (docs/method.md section 3)

An epoch is one or more steps (`schedule.py`). A step is `begin`, `accumulate` over blocks of rows (sums and counts per
node, which add up over processes without rounding) and `update`. Winners are searched in float32 and decided in
float64 where float32 cannot tell. A node that no row reaches keeps its weights.
"""

import inspect
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from refinepoi.core.errors import UserError
from refinepoi.quantizer.device import Device, DeviceSearch, Resident, pick
from refinepoi.quantizer.initial import Init, first_weights
from refinepoi.quantizer.lattice import Lattice, Topology
from refinepoi.quantizer.local import LocalSearch
from refinepoi.quantizer.resolution import resample
from refinepoi.quantizer.rows import Rows, as_table, block_size, blocks
from refinepoi.quantizer.schedule import Decay, Schedule, Step, multi_resolution, plain
from refinepoi.quantizer.settings import Search, check_settings
from refinepoi.quantizer.sums import Sums, node_sums
from refinepoi.quantizer.winners import F32, F64, WinnerSearch

TINY = 1e-280  # a neighbourhood weight below this is rounding, not data


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
    schedule: "plain", or "multi_resolution": coarse grids and few rows first, a third of the time.
    search: "exact", or "local": look only near the last winner, for maps of 64 x 64 and more; the first and the last
        pass stay exact, and so do those whose rows or grid are others than the pass before ("multi_resolution") and
        `predict`.
    batch_rows: rows of a mini-batch; None: all rows make one update.
    device: "auto" (the GPU when there is one), "cpu" or "cuda". It does not change the map.

    Attributes after `fit`: weights_ float32 [height * width, D], row-major; sigmas_ [epochs], of each epoch's last
    update; quantization_errors_: mean distance to the winner before the updates of each epoch, one per epoch.

    Rows must be finite, real and at most 1e30 in size (DataError otherwise, and where float32 would wipe out how they
    differ, far from zero); any real dtype and memory layout is taken and computed as float32. There may be fewer rows
    than cells. Equal distances go to the lowest node number.

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
        schedule: Schedule = "plain",
        search: Search = "exact",
        batch_rows: int | None = None,
        device: Device = "auto",
        seed: int = 0,
    ) -> None:
        self.height, self.width = height, width
        self.epochs = epochs
        self.sigma_start, self.sigma_end = sigma_start, sigma_end
        self.decay: Decay = decay
        self.init: Init = init
        self.topology: Topology = topology
        self.schedule: Schedule = schedule
        self.search: Search = search
        self.batch_rows = batch_rows
        self.device: Device = device
        self.seed = seed

    # -- the estimator ------------------------------------------------------------------------------------------

    def fit(self, x: npt.ArrayLike, y: object = None, on_epoch: Callable[[int, float], None] | None = None) -> Self:
        """Train on x [N, D]. `on_epoch(epoch, quantization error)` is called after each epoch. y is ignored."""
        self.start(Rows.survey(x))
        for epoch, steps in enumerate(self.steps_):
            for step in steps:
                total = self.begin(step)
                for number in range(self.blocks_of(step)):
                    self.accumulate(total, number)
                self.update(total)
            if on_epoch is not None:
                on_epoch(epoch, self.quantization_errors_[-1])
        return self.finish()

    def predict(self, x: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Winner of each row: int32 [N]."""
        self._check_fitted()
        table = as_table(x)
        if table.shape[1] != self.weights_.shape[1]:
            raise UserError(f"vectors have {table.shape[1]} columns, the map was trained on {self.weights_.shape[1]}")
        return np.concatenate([self._search.nearest(block)[0] for block in blocks(table)]).astype(np.int32)

    def transform(self, x: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Row and column of each winner: int32 [N, 2]."""
        return np.stack(np.divmod(self.predict(x), self.lattice.width), 1).astype(np.int32)

    def fit_predict(self, x: npt.ArrayLike, y: object = None) -> npt.NDArray[np.int32]:
        return self.fit(x).predict(x)

    def fit_transform(self, x: npt.ArrayLike, y: object = None) -> npt.NDArray[np.int32]:
        return self.fit(x).transform(x)

    def inverse_transform(self, nodes: npt.NDArray[np.integer[Any]]) -> F32:
        """Weights of nodes: int [N] -> float32 [N, D]."""
        self._check_fitted()
        return self.weights_[nodes]

    def _check_fitted(self) -> None:
        if not hasattr(self, "weights_"):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError("this BatchSOM has no weights yet; call fit first")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        unknown = set(params) - set(self.get_params())
        if unknown:
            raise UserError(f"BatchSOM has no parameter {sorted(unknown)}; it has {sorted(self.get_params())}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """What a scikit-learn pipeline asks for; only scikit-learn calls it."""
        from sklearn.utils import Tags, TargetTags

        return Tags(estimator_type=None, target_tags=TargetTags(required=False))

    def __repr__(self) -> str:
        return f"BatchSOM({', '.join(f'{k}={v!r}' for k, v in self.get_params().items())})"

    # -- one step, in pieces ------------------------------------------------------------------------------------

    def start(self, rows: Rows, weights: npt.ArrayLike | None = None, device: torch.device | None = None) -> None:
        """Lay out the steps and the first weights (those given, [nodes, D], or by `init`)."""
        check_settings(self)
        self._rows, self._resident = rows, Resident(device or pick(self.device))
        height, width = self.height, self.width
        sigma = (max(height, width) / 4 if self.sigma_start is None else self.sigma_start, self.sigma_end)
        if self.schedule == "plain":
            batches = -(-len(rows) // (self.batch_rows or len(rows)))
            self.steps_ = plain(height, width, *sigma, self.epochs, self.decay, batches)
        else:
            self.steps_ = multi_resolution(height, width, *sigma, self.epochs, self.decay, len(rows))
        self.sigmas_ = np.array([steps[-1].sigma for steps in self.steps_])
        self.quantization_errors_: list[float] = []
        self._errors: list[tuple[float, float]] = []
        self._faded: tuple[F64, F64] | None = None
        self._near = np.full(len(rows), -1, np.int32) if self.search == "local" else None
        self._stride = 0
        self._updates_left = sum(len(steps) for steps in self.steps_)

        full, first = Lattice(height, width, self.topology), self.steps_[0][0]
        self.lattice = Lattice(first.height, first.width, self.topology)
        if weights is None:
            self._place(first_weights(rows, self.lattice, self.init, self.seed))
        else:
            given = np.asarray(weights, np.float64).reshape(full.nodes, -1) - rows.mean
            self._place(resample(given, (height, width), (first.height, first.width), self.topology))

    def begin(self, step: Step) -> Sums:
        """Bring the map to the step's grid, choose its rows, and return empty sums for them."""
        shape = (self.lattice.height, self.lattice.width)
        if shape != (step.height, step.width):
            finer = resample(self._centred, shape, (step.height, step.width), self.topology)
            self.lattice = Lattice(step.height, step.width, self.topology)
            self._place(finer)
        if self._near is not None and (shape, self._stride) != ((step.height, step.width), step.stride):
            # Another stride deals the rows to other blocks, and these to other processes: what one of them remembers
            # of a row would depend on their number.
            self._near[:] = -1
        self._step, self._stride = step, step.stride
        self._part = self._part_of(step)
        reach = self._rows.longest
        return Sums(self.lattice.nodes, len(self._rows.mean), len(self._part), reach, reach + self._search.longest)

    def blocks_of(self, step: Step) -> int:
        """How many blocks the rows of a step come in."""
        return self._part_of(step).blocks

    def accumulate(self, total: Sums, number: int) -> None:
        """Add block `number` of the step's rows to `total`."""
        step, part, scale = self._step, self._part, self._rows.scale
        block, norms = part.block(number)
        there = self._resident.put((step.stride, step.offset, part.size, number), block)
        near = None
        if self._near is not None:
            near = self._near[step.offset :: step.stride][number * part.size : number * part.size + len(block)]
        if near is None or self._updates_left == 1 or (near < 0).any():
            codes, scores = self._search.nearest(block, part.longest, there)
        else:
            codes, scores = self._local.nearest(block, near, part.longest)
        if near is not None:
            near[:] = codes
        error = np.sqrt(np.maximum(norms + 2 * scores, 0)).sum(dtype=np.float64)
        total.add(*node_sums(there, codes, self.lattice.nodes), float(error) * scale)

    def update(self, total: Sums) -> None:
        """Move every node to the neighbourhood mean of the step's sums and of what is kept of those before."""
        step = self._step
        sums, counts = total.sums - total.counts[:, None] * self._rows.mean, total.counts
        if step.keep:
            if self._faded is not None:
                sums, counts = sums + step.keep * self._faded[0], counts + step.keep * self._faded[1]
            self._faded = sums, counts
        self._place(self._moved(sums, counts, step.sigma))
        self._updates_left -= 1
        self._errors.append((total.error, float(total.counts.sum())))
        if len(self._errors) == len(self.steps_[len(self.quantization_errors_)]):
            error, rows = np.sum(self._errors, 0)
            self.quantization_errors_.append(float(error / max(rows, 1.0)))
            self._errors.clear()

    def finish(self) -> Self:
        """Let go of the data."""
        del self._rows, self._part, self._near, self._faded, self._resident
        return self

    def _part_of(self, step: Step) -> Rows:
        return self._rows.thinned(step.stride, step.offset, block_size(step.height * step.width))

    def _moved(self, sums: F64, counts: F64, sigma: float) -> F64:
        smoothed = self.lattice.smooth(np.column_stack([sums, counts]), sigma)
        weight = smoothed[:, -1:]
        reached = weight > TINY
        return np.where(reached, smoothed[:, :-1] / np.where(reached, weight, 1.0), self._centred)

    def _place(self, centred: F64) -> None:
        self._centred, centre, scale, device = centred, self._rows.mean, self._rows.scale, self._resident.device
        self.weights_: F32 = (centred + centre).astype(np.float32)
        self._search = (
            WinnerSearch(centred, centre, scale)
            if device.type == "cpu"
            else DeviceSearch(centred, centre, scale, device)
        )
        self._local = LocalSearch(self._search, self.lattice)
