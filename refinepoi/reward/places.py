"""What rewards know of the catalogue: categories, coordinates, training visits. Nothing of validation or test."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.artifacts.trajectories import SPLITS, UNKNOWN, Trajectories
from refinepoi.core.earth import EARTH_KM

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Places:
    """
    table: one row a place: poi_id, category, latitude, longitude (degrees), and whatever else the catalogue has.
    visits: int64 [P], check-ins of the train split.
    """

    table: pl.DataFrame
    visits: Ints

    @classmethod
    def of(cls, trajectories: Trajectories) -> Self:
        train = trajectories.checkins.filter(pl.col("split") == SPLITS.index("train"))["poi"].to_numpy()
        return cls(trajectories.pois, np.bincount(train, minlength=trajectories.pois.height).astype(np.int64))

    @cached_property
    def category(self) -> Ints:
        """int64 [P], a number for each category; -1 where the data gives none."""
        names = self.table["category"].to_numpy()
        numbers = np.unique(names, return_inverse=True)[1].astype(np.int64)
        return np.where(names == UNKNOWN, -1, numbers)

    @cached_property
    def position(self) -> Floats:
        """float64 [P, 3], on the unit sphere."""
        latitude, longitude = (np.radians(self.table[name].to_numpy()) for name in ("latitude", "longitude"))
        return np.stack(
            [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1
        )

    @cached_property
    def information(self) -> Floats:
        """float64 [P] in [0, 1]: -log of a place's share of training visits, over that of a place visited once.

        A place without training visits counts as visited once.
        """
        total = max(2, int(self.visits.sum()))
        return np.log(total / np.maximum(self.visits, 1)) / np.log(total)

    def kilometres(self, pois: Ints, others: Ints) -> Floats:
        """Great-circle distances; pois, others: int64 [...], broadcast together."""
        half_chord = np.linalg.norm(self.position[pois] - self.position[others], axis=-1) / 2
        return 2 * EARTH_KM * np.arcsin(np.minimum(half_chord, 1.0))
