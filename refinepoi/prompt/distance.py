"""Distances between places in words: `2.3 km away`."""

import numpy as np
import numpy.typing as npt

from refinepoi.core.earth import EARTH_KM
from refinepoi.prompt.pieces import IntArray, Pieces

NEAR, FAR = 10, 100  # tenths of a kilometre are told below `NEAR`, whole ones below `FAR`


class Distances:
    """Pieces for distances. latitude, longitude: [P] degrees of all places."""

    def __init__(self, pieces: Pieces, latitude: npt.NDArray[np.float64], longitude: npt.NDArray[np.float64]) -> None:
        self.latitude, self.longitude = np.radians(latitude), np.radians(longitude)
        tenths = [f"{n // 10}.{n % 10} km away" for n in range(10 * NEAR)]
        kilometres = [f"{n} km away" for n in range(NEAR, FAR)]
        self.first = pieces.block([*tenths, *kilometres, f"{FAR} km or more away"])
        self.unknown = pieces.add("distance unknown")

    def of(self, here: int, pois: IntArray) -> IntArray:
        """The piece for each of `pois` [n], seen from the place `here` (-1: none)."""
        if here < 0:
            return np.full(len(pois), self.unknown)
        return self.first + bins(self.kilometres(here, pois))

    def kilometres(self, here: int, pois: IntArray) -> npt.NDArray[np.float64]:
        """Great-circle distances [n]."""
        north, east = self.latitude[pois] - self.latitude[here], self.longitude[pois] - self.longitude[here]
        half = np.sin(north / 2) ** 2
        half += np.cos(self.latitude[here]) * np.cos(self.latitude[pois]) * np.sin(east / 2) ** 2
        return np.asarray(2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def bins(kilometres: npt.NDArray[np.float64]) -> IntArray:
    """Which of the texts: to the nearest tenth below ten kilometres, to the nearest whole one from there on."""
    tenths = np.rint(kilometres * 10).astype(np.int64)
    whole = 9 * NEAR + np.clip(np.rint(kilometres), NEAR, FAR).astype(np.int64)
    return np.where(tenths < 10 * NEAR, tenths, whole)
