"""Location block: the unit-sphere vector and multi-scale waves of local kilometres (docs/method.md section 2).

For each wave length s and each of three directions 60 degrees apart: sin and cos of 2 pi x / s, as in grid cells
(Mai et al., Space2Vec, ICLR 2020), since two axes alone would prefer streets that run along them. Local kilometres are
equirectangular about a centre: exact enough for a city, and smooth (if distorted) for a continent.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from refinepoi.core.earth import EARTH_KM

Vector = npt.NDArray[np.float64]


def sphere(latitude: Vector, longitude: Vector) -> Vector:
    """Degrees [P] -> unit vectors [P, 3]."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def centre_of(latitude: Vector, longitude: Vector) -> tuple[float, float]:
    """(latitude, longitude) of the mean unit vector, degrees: right across the date line too."""
    x, y, z = sphere(latitude, longitude).mean(0)
    return float(np.degrees(np.arctan2(z, np.hypot(x, y)))), float(np.degrees(np.arctan2(y, x)))


def local_kilometres(latitude: Vector, longitude: Vector, centre: tuple[float, float]) -> Vector:
    """Kilometres east and north of `centre`, [P, 2]."""
    turn = (longitude - centre[1] + 180.0) % 360.0 - 180.0
    east = np.radians(turn) * np.cos(np.radians(centre[0])) * EARTH_KM
    return np.stack([east, np.radians(latitude - centre[0]) * EARTH_KM], axis=1)


def waves(kilometres: Vector, scales_km: Sequence[float]) -> Vector:
    """[P, 2] -> [P, 6 * len(scales_km)]: sin and cos along three directions for each wave length."""
    angles = np.radians([0.0, 60.0, 120.0])
    along = kilometres @ np.stack([np.cos(angles), np.sin(angles)])  # [P, 3]
    columns = [wave(2 * np.pi * along / scale) for scale in scales_km for wave in (np.sin, np.cos)]
    return np.concatenate(columns, axis=1) if columns else np.zeros((len(kilometres), 0))
