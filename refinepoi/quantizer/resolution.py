"""A map's weights on another grid: what a finer map starts from when a coarse one has done its part."""

import numpy as np

from refinepoi.quantizer.lattice import F64, Topology


def resample(weights: F64, shape: tuple[int, int], to: tuple[int, int], topology: Topology) -> F64:
    """
    float64 [h * w, D] on `shape` -> [H * W, D] on `to`, by linear interpolation along rows and columns. Corners lie on
    corners; on a torus, where there are none, sides are divided evenly. Hexagons are taken by row and column: the half
    cell by which odd rows are shifted is left to training.
    """
    around = topology == "toroidal"
    cube = weights.reshape(*shape, -1)
    cube = np.tensordot(_between(shape[0], to[0], around), cube, 1)
    cube = np.tensordot(_between(shape[1], to[1], around), cube, (1, 1)).transpose(1, 0, 2)
    return np.ascontiguousarray(cube).reshape(to[0] * to[1], -1)


def _between(cells: int, to: int, around: bool) -> F64:
    """[to, cells] weights of the two cells that each new one lies between."""
    mix = np.zeros((to, cells))
    if cells == 1:
        return mix + 1.0
    if around:
        places = np.arange(to) * cells / to
    else:
        places = np.linspace(0, cells - 1, to) if to > 1 else np.array([(cells - 1) / 2])
    low = np.minimum(places.astype(int), cells - 1)
    share = places - low
    np.add.at(mix, (np.arange(to), low), 1 - share)
    np.add.at(mix, (np.arange(to), (low + 1) % cells), share)
    return mix
