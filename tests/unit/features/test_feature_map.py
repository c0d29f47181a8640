import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.features.feature_map import Block, FeatureMap
from refinepoi.features.spec import BlocksSpec
from refinepoi.features.time import profile, visit_waves

MakeSpec = Callable[..., BlocksSpec]


def train_rows(city: Trajectories) -> pl.DataFrame:
    return city.checkins.filter(pl.col("split") == 0)


def test_blocks_are_centred_and_weigh_what_the_spec_says(city: Trajectories, make_spec: MakeSpec) -> None:
    blocks = FeatureMap.fit(city.pois, train_rows(city), make_spec()).apply(city.pois, train_rows(city))
    squares = {name: (matrix**2).sum(1).mean() for name, matrix in blocks.items()}
    expected = {"category": 1, "words": 0.25, "sphere": 0.5, "waves": 0.5, "time": 1, "popularity": 0.25}
    assert list(squares) == list(expected)
    np.testing.assert_allclose(list(squares.values()), list(expected.values()))
    for matrix in blocks.values():
        np.testing.assert_allclose(matrix.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose((blocks["popularity"] ** 2).mean(0), 0.125)  # the one standardised block


def test_standardised_columns_have_equal_shares_and_constant_ones_none() -> None:
    raw = np.random.default_rng(0).normal(size=(50, 3)) * [1, 100, 0] + 5
    np.testing.assert_allclose((Block.fit(raw, 2.0, standardise=True).apply(raw) ** 2).mean(0), [2, 2, 0])
    together = (Block.fit(raw, 2.0).apply(raw) ** 2).mean(0)
    np.testing.assert_allclose(together / together.sum(), raw.var(0) / raw.var(0).sum())
    assert not Block.fit(np.ones((4, 2)), 1.0).apply(np.ones((4, 2))).any()


def test_stored_map_describes_poi_by_poi_as_it_did_the_catalogue(city: Trajectories, make_spec: MakeSpec) -> None:
    visits = train_rows(city)
    fitted = FeatureMap.fit(city.pois, visits, make_spec())
    loaded = FeatureMap.of(json.loads(json.dumps(fitted.plain())))
    assert loaded == fitted
    alone = visits.filter(pl.col("poi") == 7).with_columns(poi=pl.lit(0, dtype=pl.Int32))
    for name, matrix in fitted.apply(city.pois, visits).items():
        np.testing.assert_array_equal(loaded.apply(city.pois[7:8], alone)[name], matrix[7:8])


def test_a_poi_without_visits_and_with_a_new_category_is_described(city: Trajectories, make_spec: MakeSpec) -> None:
    fitted = FeatureMap.fit(city.pois, train_rows(city), make_spec())
    new = city.pois[:1].with_columns(category=pl.lit("Observatory"), category_id=pl.lit("new"))
    blocks = fitted.apply(new, train_rows(city).clear())
    assert all(np.isfinite(matrix).all() for matrix in blocks.values())
    np.testing.assert_allclose(
        blocks["category"], -np.array(fitted.blocks["category"].shift)[None] * fitted.blocks["category"].scale
    )
    before = replace(fitted, blocks={"time": Block([0.0] * 25, [1.0] * 25)})
    everybody = profile(visit_waves(train_rows(city)["local"].to_numpy(), 6).sum(0, keepdims=True))
    np.testing.assert_allclose(before.apply(new, train_rows(city).clear())["time"], everybody)


def test_places_outside_training_are_described_and_not_fitted_on(city: Trajectories, make_spec: MakeSpec) -> None:
    visits = train_rows(city)
    outside = city.pois[:2].with_columns(
        in_train=pl.lit(False), category=pl.Series(["Igloo Shop", "Bar"]), latitude=pl.lit(-70.0)
    )
    alone, both = (FeatureMap.fit(pois, visits, make_spec()) for pois in (city.pois, city.pois.vstack(outside)))
    assert alone == both and "Igloo Shop" not in both.categories
    rows = both.apply(city.pois.vstack(outside), visits)
    for name, matrix in alone.apply(city.pois, visits).items():
        np.testing.assert_array_equal(rows[name][:24], matrix)
    np.testing.assert_array_equal(rows["category"][25], rows["category"][2])  # a bar here is a bar there


def test_an_unseen_category_is_the_unknown_one_where_there_is_one(city: Trajectories, make_spec: MakeSpec) -> None:
    for columns in (64, 3):  # one column each, or hashed
        named = city.pois.with_columns(category=pl.col("category").replace("Gift Shop", "unknown"))
        strange = named[:1].with_columns(category=pl.lit("Igloo"), in_train=pl.lit(False))
        fitted = FeatureMap.fit(named, train_rows(city), make_spec(category__columns=columns))
        rows = fitted.apply(named.vstack(strange), train_rows(city))
        np.testing.assert_array_equal(rows["category"][24], rows["category"][1])
