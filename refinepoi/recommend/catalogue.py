"""The catalogue as a user meets it: places found by name or by where they are."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.spatial import cKDTree

from refinepoi.artifacts.places import unit_vectors
from refinepoi.core.earth import EARTH_KM
from refinepoi.core.errors import UserError


class Found(NamedTuple):
    """poi: row of the catalogue. km: how far from the place that was given; 0 where its ID is in the catalogue."""

    poi: int
    km: float


class Catalogue:
    """pois: Trajectories.pois. names: what places are called, by POI ID; the data has no such names itself."""

    def __init__(self, pois: pl.DataFrame, names: dict[str, str] | None = None) -> None:
        self.ids: list[str] = pois["poi_id"].to_list()
        self.categories: list[str] = pois["category"].to_list()
        self.latitude, self.longitude = (pois[name].to_numpy() for name in ("latitude", "longitude"))
        self.vectors = unit_vectors(pois)
        self.names = names or {}
        self._row = {name: row for row, name in enumerate(self.ids)}
        self._tree = cKDTree(self.vectors)

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, poi_id: str | None, latitude: float | None, longitude: float | None, within_km: float) -> Found:
        """The place of this ID, or else the nearest one to the coordinates. Raises UserError with value and remedy."""
        row = self._row.get(poi_id) if poi_id is not None else None
        if row is not None:
            return Found(row, 0.0)
        named = f"place {poi_id!r} is not in the catalogue" if poi_id is not None else "no place is named"
        if latitude is None or longitude is None:
            raise UserError(f"{named}; give its latitude and longitude, or leave the visit out")
        if not (abs(latitude) <= 90 and abs(longitude) <= 180):
            raise UserError(
                f"{named} and ({latitude}, {longitude}) is nowhere; latitude is -90..90, longitude -180..180"
            )
        up, east = np.radians(latitude), np.radians(longitude)
        here = np.array([np.cos(up) * np.cos(east), np.cos(up) * np.sin(east), np.sin(up)])
        chord, nearest = self._tree.query(here)
        km = float(_km(chord))
        if km > within_km:
            raise UserError(
                f"{named} and the nearest one, {self.ids[nearest]!r}, is {km:.2f} km away; leave the visit out, or "
                f"allow more than within_km={within_km:g}"
            )
        return Found(int(nearest), km)

    def distance(self, a: int, b: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """[n] kilometres from POI a to the POIs b."""
        chord = np.sqrt(((self.vectors[a] - self.vectors[b]) ** 2).sum(-1))
        return np.asarray(_km(chord), np.float64)


def _km(chord: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64] | np.float64:
    angle: npt.NDArray[np.float64] | np.float64 = 2.0 * EARTH_KM * np.arcsin(np.minimum(np.asarray(chord) / 2.0, 1.0))
    return angle
