"""Where something is, in words: kilometres and direction from the middle of the places that training visited."""

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.core.earth import EARTH_KM

F64 = npt.NDArray[np.float64]
COMPASS = ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east")
CLOSE = 0.5  # kilometres that are still the centre


def centre(pois: pl.DataFrame) -> tuple[float, float]:
    """Median latitude and longitude of the places of training. pois: the catalogue."""
    known = pois.filter(pl.col("in_train"))
    if known.height == 0:
        return 0.0, 0.0
    return float(np.median(known["latitude"].to_numpy())), float(np.median(known["longitude"].to_numpy()))


def offset(latitude: F64, longitude: F64, middle: tuple[float, float]) -> tuple[F64, F64]:
    """Kilometres to the north and to the east of `middle`, on the plane that touches the Earth there."""
    degree = np.pi * EARTH_KM / 180
    east = (longitude - middle[1] + 180) % 360 - 180  # over the date line, too
    return (latitude - middle[0]) * degree, east * degree * np.cos(np.radians(middle[0]))


def where(north: float, east: float) -> str:
    """`3.2 km north-east of the centre`; kilometres to the north and to the east."""
    distance = float(np.hypot(north, east))
    if distance < CLOSE:
        return "the centre of the city"
    return f"{distance:.1f} km {COMPASS[round(float(np.arctan2(north, east)) / (np.pi / 4)) % 8]} of the centre"
