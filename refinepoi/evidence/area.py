"""Areas: places in square cells, and how much of a cell's weight reaches its neighbours.

Sums over everything near a place are taken cell by cell: within three kernel widths a place has a hundred cells at
most, but thousands of places.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from refinepoi.core.earth import EARTH_KM
from refinepoi.evidence.world import Floats, Ints

REACH = 3.0  # kernel widths: exp(-3) is left out


@dataclass(frozen=True)
class Areas:
    """cell: [P] of each place, 0 .. cells - 1.  centres: [cells, 3] unit vectors, the mean of the cell's places."""

    cell: Ints
    centres: Floats

    def kernel(self, km: float) -> csr_array[Any, Any]:
        """[cells, cells] exp(-distance / km), 0 beyond `REACH` widths."""
        tree, chord = cKDTree(self.centres), 2 * np.sin(min(REACH * km / EARTH_KM, np.pi) / 2)
        near = tree.sparse_distance_matrix(tree, chord, output_type="coo_matrix").tocsr()
        near.sort_indices()
        near.data = np.exp(-2 * EARTH_KM * np.arcsin(near.data / 2) / km)
        return csr_array(near)


def areas_of(places: Floats, side_km: float) -> Areas:
    """places: [P, 3] unit vectors. Rings of latitude, cut into steps of about `side_km`."""
    latitude = np.arcsin(np.clip(places[:, 2], -1, 1)) * EARTH_KM
    ring = np.floor(latitude / side_km).astype(np.int64)
    width = np.maximum(np.cos((ring + 0.5) * side_km / EARTH_KM), 1e-6) * EARTH_KM
    step = np.floor(np.arctan2(places[:, 1], places[:, 0]) * width / side_km).astype(np.int64)
    _, cell = np.unique(np.stack([ring, step], 1), axis=0, return_inverse=True)
    cell = cell.reshape(-1).astype(np.int64)
    centres = np.stack([np.bincount(cell, places[:, axis]) for axis in range(3)], 1)
    return Areas(cell, centres / np.linalg.norm(centres, axis=1, keepdims=True))
