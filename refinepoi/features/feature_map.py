"""FeatureMap: everything fitted on training check-ins that turns POIs and their visits into feature columns.

It is stored with the features: `features=fitted` describes POIs that open later by the same columns on the same scale
(docs/method.md section 2). POIs outside training (`in_train` false: a test city's) are described by it and never fitted
on. A POI without visits gets the visiting hours of its category, one of an unseen category the column of no category.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.artifacts.trajectories import UNKNOWN
from refinepoi.features.category import bag_matrix, category_names, vocabulary, words
from refinepoi.features.space import centre_of, local_kilometres, sphere, waves
from refinepoi.features.spec import BlocksSpec
from refinepoi.features.time import mixed, profile, sums_by, visit_waves

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """Centre, scale and weight columns: after `fit` the mean squared length of a row is weight squared."""

    shift: list[float]
    scale: list[float]

    @classmethod
    def fit(cls, raw: Matrix, weight: float, standardise: bool = False) -> Self:
        """One scale for the whole block, so that its shape stays; `standardise`: one for each column first."""
        shift = raw.mean(0)
        square = ((raw - shift) ** 2).mean(0)
        if not standardise:
            square = np.full_like(square, square.sum() / len(square))
        constant = square <= 1e-18  # says nothing: weight 0
        scale = np.where(constant, 0.0, weight / np.sqrt(np.where(constant, 1.0, square) * max(1, (~constant).sum())))
        return cls(shift.tolist(), scale.tolist())

    def apply(self, raw: Matrix) -> Matrix:
        return (raw - np.array(self.shift)) * np.array(self.scale)


@dataclass(frozen=True)
class FeatureMap:
    spec: BlocksSpec
    categories: list[str]
    words: list[str]
    centre: tuple[float, float]
    profiles: dict[str, list[float]]
    """Visit sums by category, and of all visits under ""; see features/time.py."""
    blocks: dict[str, Block]

    @classmethod
    def fit(cls, pois: pl.DataFrame, visits: pl.DataFrame, spec: BlocksSpec) -> Self:
        """`visits`: training check-ins, columns poi (row of `pois`), user and local."""
        trained = pois["in_train"].to_numpy()
        inside = pois.filter(trained)
        names = category_names(inside)
        known = vocabulary([[name] for name in names])
        started = cls(
            spec,
            categories=known,
            words=vocabulary([words(name) for name in names]),
            centre=centre_of(inside["latitude"].to_numpy(), inside["longitude"].to_numpy()),
            profiles=_profiles(category_names(pois), known, visits, spec.time.harmonics, spec.time.prior_visits),
            blocks={},
        )
        blocks = {
            name: Block.fit(raw[trained], weight, standardise=name == "popularity")
            for name, (raw, weight) in started._raw(pois, visits).items()
        }
        return replace(started, blocks=blocks)

    def apply(self, pois: pl.DataFrame, visits: pl.DataFrame) -> dict[str, Matrix]:
        """The blocks of these POIs, float64 [P, width] each, normalised and weighted, in a fixed order."""
        raw = self._raw(pois, visits)
        return {name: block.apply(raw[name][0]) for name, block in self.blocks.items()}

    def _raw(self, pois: pl.DataFrame, visits: pl.DataFrame) -> dict[str, tuple[Matrix, float]]:
        """Block name -> (columns before normalisation, weight), without the blocks of weight 0."""
        spec, known = self.spec, {*self.categories, ""}
        names = [name if name in known else UNKNOWN for name in category_names(pois)]
        half = spec.location.weight * (0.5**0.5 if spec.location.scales_km else 1.0)  # two blocks share the weight
        latitude, longitude = pois["latitude"].to_numpy(), pois["longitude"].to_numpy()
        kilometres = local_kilometres(latitude, longitude, self.centre)
        poi = visits["poi"].to_numpy()
        own = sums_by(poi, visit_waves(visits["local"].to_numpy(), spec.time.harmonics), pois.height)
        wider = np.array([self.profiles.get(name, self.profiles[""]) for name in names])
        counted = visits.group_by("poi").agg(pl.len().alias("visits"), pl.col("user").n_unique().alias("users"))
        popularity = np.zeros((pois.height, 2))
        popularity[counted["poi"].to_numpy()] = counted.select("visits", "users").to_numpy()
        of_category, of_words = [[name] for name in names], [words(name) for name in category_names(pois)]
        raw = {
            "category": (bag_matrix(of_category, self.categories, spec.category.columns), spec.category.weight),
            "words": (bag_matrix(of_words, self.words, spec.words.columns), spec.words.weight),
            "sphere": (sphere(latitude, longitude), half),
            "waves": (waves(kilometres, spec.location.scales_km), half),
            "time": (profile(mixed(own, wider, spec.time.prior_visits)), spec.time.weight),
            "popularity": (np.log1p(popularity), spec.popularity.weight),
        }
        return {name: (matrix, weight) for name, (matrix, weight) in raw.items() if weight > 0 and matrix.shape[1]}

    def plain(self) -> dict[str, Any]:
        """As JSON has it, for `artifacts.Features.map`."""
        return {
            **self.__dict__,
            "spec": self.spec.model_dump(mode="json"),
            "centre": list(self.centre),
            "blocks": [[name, asdict(block)] for name, block in self.blocks.items()],
        }

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Self:
        """What `plain` gave."""
        spec = BlocksSpec.model_validate_json(json.dumps(plain["spec"]))
        blocks = {name: Block(**block) for name, block in plain["blocks"]}
        return cls(**{**plain, "spec": spec, "centre": tuple(plain["centre"]), "blocks": blocks})


def _profiles(
    names: list[str], known: list[str], visits: pl.DataFrame, harmonics: int, prior_visits: float
) -> dict[str, list[float]]:
    """Visit sums of each category, mixed with those of all visits, which stand under ""."""
    index = {name: i for i, name in enumerate(["", *known])}
    of_poi = np.array([index.get(name, 0) for name in names])  # an unseen one has no visits
    each = visit_waves(visits["local"].to_numpy(), harmonics)
    sums = sums_by(of_poi[visits["poi"].to_numpy()], each, len(index))
    overall = sums.sum(0, keepdims=True)
    sums = mixed(sums, overall, prior_visits)
    sums[0] = overall
    return {name: sums[i].tolist() for name, i in index.items()}
