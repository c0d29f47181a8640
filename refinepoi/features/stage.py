"""Stage `make_features`: Trajectories -> Features, from rows of the training split and nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING

from refinepoi.artifacts.features import Features
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.core.errors import DataError, UserError
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.features.spec import VERSION, FeaturesSpec, FittedFeatures

if TYPE_CHECKING:
    from refinepoi.features.feature_map import FeatureMap


@stage(version=VERSION, makes=Features, name="make_features")
def make_features(context: Context, spec: FeaturesSpec, trajectories: Artifact[Trajectories]) -> None:
    features, _ = build(spec, trajectories.load())
    features.save(context.folder)


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
    if isinstance(spec, FittedFeatures):
        feature_map = FeatureMap.of(Features.load(Path(spec.map)).map)
        if feature_map.spec.transitions.weight > 0:
            raise UserError(
                f"features.map: {spec.map} has a block of transitions, which describes the POIs of then only; fit "
                "features without it (features.transitions.weight=0), and what is trained on them"
            )
    else:
        feature_map = FeatureMap.fit(trajectories.pois, visits, spec)
    blocks = feature_map.apply(trajectories.pois, visits)
    if not isinstance(spec, FittedFeatures) and spec.transitions.weight > 0:
        trajectory, poi, utc = (visits[name].to_numpy() for name in ("trajectory", "poi", "utc"))
        counts = transition_counts(trajectory, poi, utc, spec.transitions.hours, trajectories.pois.height)
        vectors = spectral(counts, spec.transitions.dimensions)
        blocks["transitions"] = Block.fit(
            vectors[trajectories.pois["in_train"].to_numpy()], spec.transitions.weight
        ).apply(vectors)
    if not blocks:
        raise DataError("features: no block has a column (no category has a name?); give features.time.weight a value")
    ends = np.cumsum([0, *(matrix.shape[1] for matrix in blocks.values())]).tolist()
    spans = dict(zip(blocks, pairwise(ends), strict=True))
    matrix = np.concatenate(list(blocks.values()), axis=1).astype(np.float32)
    return Features(matrix, spans, feature_map.plain()), feature_map
