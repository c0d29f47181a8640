from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from runtimes import runtime

from refinepoi.artifacts.features import Features
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import DataError, UserError
from refinepoi.core.stage import Artifact, Context
from refinepoi.core.tracking import StageLog
from refinepoi.features.feature_map import FeatureMap
from refinepoi.features.spec import BlocksSpec, FittedFeatures
from refinepoi.features.stage import build, make_features

MakeSpec = Callable[..., BlocksSpec]


def altered(city: Trajectories) -> Trajectories:
    """Every validation and test row visits another POI at another hour and in another trajectory."""
    later = pl.col("split") > 0
    checkins = city.checkins.with_columns(
        poi=pl.when(later).then((pl.col("poi") + 5) % 24).otherwise("poi"),
        local=pl.when(later).then(pl.col("local") + 7 * 3600).otherwise("local"),
        user=pl.when(later).then(0).otherwise("user").cast(pl.Int32),
        trajectory=pl.when(later).then(3).otherwise("trajectory").cast(pl.Int32),
    )
    assert not checkins.equals(city.checkins)
    return replace(city, checkins=checkins)


def test_later_rows_leave_the_features_bit_identical(city: Trajectories, make_spec: MakeSpec) -> None:
    spec = make_spec(transitions__weight=1.0)
    (one, one_map), (other, other_map) = build(spec, city), build(spec, altered(city))
    assert one.matrix.tobytes() == other.matrix.tobytes() and one_map == other_map
    train = pl.col("split") == 0
    moved = replace(city, checkins=city.checkins.with_columns(local=pl.when(train).then(0).otherwise("local")))
    assert build(spec, moved)[0].matrix.tobytes() != one.matrix.tobytes()


def test_stage_writes_features_and_map(city: Trajectories, make_spec: MakeSpec, tmp_path: Path) -> None:
    spec, path = make_spec(), tmp_path / "trajectories"
    path.mkdir()
    city.save(path)
    handle = Artifact("make_trajectories", "key", path, Trajectories)
    folder = tmp_path / "out"
    folder.mkdir()
    make_features.run(Context(folder, runtime(), StageLog("make_features"), "make_features"), spec, handle)
    features, (expected, _) = Features.load(folder), build(spec, city)
    np.testing.assert_array_equal(features.matrix, expected.matrix)
    assert features.blocks == expected.blocks and FeatureMap.of(features.map).spec == spec


def test_weight_zero_leaves_a_block_out(city: Trajectories, make_spec: MakeSpec) -> None:
    features, _ = build(make_spec(location__weight=0.0, words__weight=0.0), city)
    assert list(features.blocks) == ["category", "time", "popularity"]
    assert features.matrix.shape == (24, 4 + 25 + 2)


def test_district_is_seen_in_transitions_though_location_is_off(city: Trajectories, make_spec: MakeSpec) -> None:
    off = {f"{name}__weight": 0.0 for name in ("category", "words", "location", "time", "popularity")}
    features, _ = build(make_spec(**off, transitions__weight=1.0), city)
    first = features.matrix[:, np.abs(features.matrix).sum(0).argmax()]
    assert len(set(np.sign(first[::2]))) == len(set(np.sign(first[1::2]))) == 1 and first[0] * first[1] < 0


def test_refusals(city: Trajectories, make_spec: MakeSpec) -> None:
    off = {f"{name}__weight": 0.0 for name in ("category", "words", "location", "time", "popularity")}
    with pytest.raises(ValidationError, match="every block has weight 0"):
        make_spec(**off)
    for field, value in (("location__scales_km", (0.0,)), ("time__weight", -1.0), ("time__harmonics", 0)):
        with pytest.raises(ValidationError):
            make_spec(**{field: value})
    empty = replace(city, checkins=city.checkins.with_columns(split=pl.lit(1, dtype=pl.Int8)))
    with pytest.raises(DataError, match="no check-in"):
        build(make_spec(), empty)


def test_later_places_are_described_on_the_scale_of_then(
    city: Trajectories, make_spec: MakeSpec, tmp_path: Path
) -> None:
    new = city.pois.head(5).with_columns(
        poi_id=pl.format("new {}", pl.int_range(5)), category=pl.lit("Observatory Dome"), latitude=pl.lit(41.5)
    )
    grown = replace(city, pois=pl.concat([city.pois, new]))
    features, _ = build(make_spec(), city)
    features.save(tmp_path)
    fitted = FittedFeatures(kind="fitted", map=str(tmp_path))
    again, _ = build(fitted, grown)
    assert again.map == features.map and again.blocks == features.blocks
    assert again.matrix[:24].tobytes() == features.matrix.tobytes()
    anew, _ = build(make_spec(), grown)
    assert anew.matrix.shape[1] != features.matrix.shape[1]

    with_transitions, _ = build(make_spec(transitions__weight=1.0), city)
    with_transitions.save(tmp_path)
    with pytest.raises(UserError, match=r"features\.map: .* transitions, which describes the POIs of then only"):
        build(fitted, grown)
