"""First weights of a map: a plane through the data (PCA), rows drawn from it, or Gaussian noise of its spread.

The PCA plane is deterministic: the first component runs along the longer side of the grid, and each component's sign
makes its largest entry positive. It spans two standard deviations to either side of the mean.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from refinepoi.core.seeding import generator
from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.rows import Rows

Init = Literal["pca", "sample", "random"]
F64 = npt.NDArray[np.float64]
SPAN = 2.0


def first_weights(rows: Rows, lattice: Lattice, init: Init, seed: int) -> F64:
    """float64 [nodes, D], relative to the mean of the rows."""
    if init == "pca":
        return _plane(rows, lattice)
    draw = generator(seed, "som", init)
    if init == "sample":
        picked = draw.choice(len(rows), lattice.nodes, replace=len(rows) < lattice.nodes)
        return np.asarray(rows.x[picked], np.float64) - rows.mean
    spread = np.sqrt(np.maximum(np.diag(_covariance(rows)), 0))
    return draw.standard_normal((lattice.nodes, len(rows.mean))) * spread


def _plane(rows: Rows, lattice: Lattice) -> F64:
    variances, vectors = np.linalg.eigh(_covariance(rows) / rows.scale**2)
    axes = np.zeros((2, len(rows.mean)))
    for axis, column in enumerate(range(len(variances) - 1, max(len(variances) - 3, -1), -1)):
        vector = vectors[:, column]
        sign = 1.0 if vector[np.abs(vector).argmax()] >= 0 else -1.0
        axes[axis] = sign * vector * np.sqrt(max(variances[column], 0.0)) * rows.scale
    if lattice.width > lattice.height:
        axes = axes[::-1]
    up = np.linspace(-SPAN, SPAN, lattice.height) if lattice.height > 1 else np.zeros(1)
    across = np.linspace(-SPAN, SPAN, lattice.width) if lattice.width > 1 else np.zeros(1)
    plane = up[:, None, None] * axes[0] + across[None, :, None] * axes[1]
    return plane.reshape(lattice.nodes, -1)


def _covariance(rows: Rows) -> F64:
    """float64 [D, D]. In float64 throughout, so that the start does not depend on the processor's float32 rounding."""
    total = np.zeros((len(rows.mean), len(rows.mean)))
    for number in range(rows.blocks):
        away = (rows.block(number)[0] - rows.mean) / rows.scale
        total += away.T @ away
    return total / len(rows) * rows.scale**2
