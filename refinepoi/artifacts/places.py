"""Where places are, for distances on the globe."""

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.core.earth import EARTH_KM

Floats = npt.NDArray[np.float64]


def unit_vectors(pois: pl.DataFrame) -> Floats:
    """[P, 3] of Trajectories.pois"""
    latitude, longitude = (np.radians(pois[name].to_numpy()) for name in ("latitude", "longitude"))
    flat = np.cos(latitude)
    return np.stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)], 1)


def great_circle(a: Floats, b: Floats) -> Floats:
    """Kilometres between unit vectors, elementwise. [n, 3] -> [n]"""
    chord = np.sqrt(((a - b) ** 2).sum(-1))
    return np.asarray(2.0 * EARTH_KM * np.arcsin(np.minimum(chord / 2.0, 1.0)))
