"""Stage `make_features`: Trajectories -> Features, from rows of the training split and nothing else."""

from typing import TYPE_CHECKING

from refinepoi.artifacts.features import Features
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.core.errors import DataError
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.features.spec import FeaturesSpec

if TYPE_CHECKING:
    from refinepoi.features.feature_map import FeatureMap


@stage(version=1, makes=Features, name="make_features")
def make_features(context: Context, spec: FeaturesSpec, trajectories: Artifact[Trajectories]) -> None:
    features, feature_map = build(spec, trajectories.load())
    features.save(context.folder)
    feature_map.save(context.folder)


def build(spec: FeaturesSpec, trajectories: Trajectories) -> "tuple[Features, FeatureMap]":
    """The features of the whole catalogue and the map that makes them. DataError where nothing is left of them."""
    from itertools import pairwise

    import numpy as np
    import polars as pl

    from refinepoi.features.feature_map import Block, FeatureMap
    from refinepoi.features.transitions import spectral, transition_counts

    visits = trajectories.checkins.filter(pl.col("split") == SPLITS.index("train"))
    if visits.is_empty():
        raise DataError("features: the training split holds no check-in; check dataset.* (split, path)")
    feature_map = FeatureMap.fit(trajectories.pois, visits, spec)
    blocks = feature_map.apply(trajectories.pois, visits)
    if spec.transitions.weight > 0:
        trajectory, poi, utc = (visits[name].to_numpy() for name in ("trajectory", "poi", "utc"))
        counts = transition_counts(trajectory, poi, utc, spec.transitions.hours, trajectories.pois.height)
        vectors = spectral(counts, spec.transitions.dimensions)
        blocks["transitions"] = Block.fit(vectors, spec.transitions.weight).apply(vectors)
    if not blocks:
        raise DataError("features: no block has a column (no category has a name?); give features.time.weight a value")
    ends = np.cumsum([0, *(matrix.shape[1] for matrix in blocks.values())]).tolist()
    spans = dict(zip(blocks, pairwise(ends), strict=True))
    return Features(np.concatenate(list(blocks.values()), axis=1).astype(np.float32), spans), feature_map
