import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError

from refinepoi.artifacts.embeddings import Embeddings
from refinepoi.artifacts.features import Features
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import DataError, UserError
from refinepoi.core.runtime import Runtime
from refinepoi.core.stage import Artifact, Context
from refinepoi.core.tracking import StageLog
from refinepoi.encoder.network import encode, load_network
from refinepoi.encoder.spec import VERSION, ContrastiveSpec, FittedEncoder
from refinepoi.encoder.stage import categories, encode_again, train, train_encoder, training_pairs

MakeSpec = Callable[..., ContrastiveSpec]


def context(folder: Path, runtime: Runtime) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(folder, runtime, StageLog("train_encoder"), "train_encoder")


def test_stage_writes_vectors_that_its_stored_network_makes(
    city: Trajectories, features: Features, make_spec: MakeSpec, runtime: Runtime, tmp_path: Path
) -> None:
    handles = []
    for name, value in (("features", features), ("trajectories", city)):
        (tmp_path / name).mkdir()
        value.save(tmp_path / name)
        handles.append(Artifact(name, "key", tmp_path / name, type(value)))
    train_encoder.run(context(tmp_path / "out", runtime), make_spec(epochs=2), *handles)
    embeddings = Embeddings.load(tmp_path / "out")
    again = encode(load_network(tmp_path / "out"), torch.from_numpy(features.matrix)).numpy()
    np.testing.assert_array_equal(embeddings.vectors, again)
    assert embeddings.vectors.shape == (48, 8) and embeddings.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings.vectors, axis=1), 1, rtol=1e-5)
    assert all(type(value) is float for value in embeddings.quality.values())
    assert (tmp_path / "out" / "pictures" / "embedding_map.png").read_bytes()[:4] == b"\x89PNG"


def test_a_fitted_encoder_encodes_without_training(
    city: Trajectories, features: Features, make_spec: MakeSpec, runtime: Runtime, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    train(context(first, runtime), make_spec(epochs=2), features, city)
    files = {"stage": "train_encoder", "version": VERSION, "key": "k", "files": {}}
    (first / "manifest.json").write_text(json.dumps(files))
    spec = FittedEncoder(kind="fitted", network=str(first))
    before = spec.content
    assert not spec.problems() and before
    encode_again(context(tmp_path / "again", runtime), spec, features, city)
    assert (first / "vectors.npy").read_bytes() == (tmp_path / "again" / "vectors.npy").read_bytes()
    # Another content in the same folder is another identity.
    (first / "manifest.json").write_text(json.dumps(files | {"key": "other"}))
    assert FittedEncoder(kind="fitted", network=str(first)).content != before
    fewer = replace(features, matrix=features.matrix[:, 1:], blocks={"all": (0, features.matrix.shape[1] - 1)})
    with pytest.raises(UserError, match=r"encoder\.network: .*\(other columns\)"):
        encode_again(context(tmp_path / "no", runtime), spec, fewer, city)


def test_features_of_another_meaning_or_scale_are_refused(
    city: Trajectories, features: Features, make_spec: MakeSpec, runtime: Runtime, tmp_path: Path
) -> None:
    """As many columns are not the same columns."""
    then = {"categories": ["Bar", "Gift Shop"], "words": ["bar"], "blocks": [["time", {"scale": [1.0]}]]}
    train(context(tmp_path / "first", runtime), make_spec(epochs=1), replace(features, map=then), city)
    spec = FittedEncoder(kind="fitted", network=str(tmp_path / "first"))
    encode_again(context(tmp_path / "a", runtime), spec, replace(features, map=then), city)
    for change, words in (
        ({"categories": ["Bar", "Zoo"]}, "categories: 2 come or gone, such as 'Gift Shop'"),
        ({"blocks": [["time", {"scale": [1.1]}]]}, "blocks"),
        ({"words": ["tea"]}, "words: 2 come or gone, such as 'bar'"),
    ):
        with pytest.raises(UserError, match=rf"other meaning or scale \({words}\); .*features=fitted"):
            encode_again(context(tmp_path / "b", runtime), spec, replace(features, map=then | change), city)
    # What was encoded again can be encoded again: the map went with it.
    spec = FittedEncoder(kind="fitted", network=str(tmp_path / "a"))
    encode_again(context(tmp_path / "c", runtime), spec, replace(features, map=then), city)
    assert (tmp_path / "c" / "vectors.npy").read_bytes() == (tmp_path / "first" / "vectors.npy").read_bytes()


def test_later_rows_leave_the_embeddings_bit_identical(
    city: Trajectories, features: Features, make_spec: MakeSpec, runtime: Runtime, tmp_path: Path
) -> None:
    later = pl.col("split") > 0
    moved = city.checkins.with_columns(poi=pl.when(later).then((pl.col("poi") + 5) % 48).otherwise("poi"))
    assert not moved.equals(city.checkins)
    for name, checkins in (("a", city.checkins), ("b", moved)):
        train(context(tmp_path / name, runtime), make_spec(epochs=2), features, replace(city, checkins=checkins))
    assert (tmp_path / "a" / "vectors.npy").read_bytes() == (tmp_path / "b" / "vectors.npy").read_bytes()
    assert (tmp_path / "a" / "quality.json").read_bytes() == (tmp_path / "b" / "quality.json").read_bytes()


def test_pairs_come_from_training_rows(city: Trajectories) -> None:
    pairs = training_pairs(city, 24.0)
    assert pairs.count.sum() == sum(
        a != b and same
        for a, b, same in zip(
            city.checkins["poi"][: 128 * 4 - 1], city.checkins["poi"][1 : 128 * 4],
            (city.checkins["trajectory"].diff() == 0)[1 : 128 * 4], strict=True,
        )
    )  # fmt: skip
    assert ((pairs.first - pairs.second) % 2 == 0).all()  # nobody leaves the district
    assert len(training_pairs(city, 1.0)) == 0  # visits are two hours apart


def test_categories_are_numbered_by_name_and_empty_ones_have_none(city: Trajectories) -> None:
    names, groups = categories(city)
    assert names == ["Bar", "Coffee Shop", "Gift Shop"]
    np.testing.assert_array_equal(groups[:8], [1, 1, 2, 2, 0, 0, -1, -1])


def test_refusals(
    city: Trajectories, features: Features, make_spec: MakeSpec, runtime: Runtime, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"hold 0 pairs .* within 1\.0 h"):
        train(context(tmp_path / "a", runtime), make_spec(positives__hours=1.0), features, city)
    with pytest.raises(DataError, match="features of 47 POIs and trajectories of 48"):
        short = Features(features.matrix[1:], features.blocks)
        train(context(tmp_path / "a", runtime), make_spec(), short, city)
    none = {"covisit": 0.0, "views": 0.0, "category": 0.0, "hours": 24.0}
    for changes in (
        {"positives": none}, {"temperature": 0.0}, {"temperature": float("nan")}, {"held_out": 0.9}, {"hidden": (0,)},
        {"dropout__blocks": 1.0}, {"kind": "pca"}, {"seed": -1}, {"batch_size": 1}, {"typo": 1},
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            make_spec(**changes)


@pytest.mark.parametrize("kind", ["covisit", "views", "category"])
def test_each_kind_of_positive_trains_alone(
    city: Trajectories, features: Features, make_spec: MakeSpec, runtime: Runtime, tmp_path: Path, kind: str
) -> None:
    positives = {"covisit": 0.0, "views": 0.0, "category": 0.0, "hours": 24.0, kind: 1.0}
    train(context(tmp_path / "a", runtime), make_spec(epochs=6, positives=positives), features, city)
    quality = Embeddings.load(tmp_path / "a").quality
    if kind == "category":
        assert quality["category_purity@10"] > quality["raw_category_purity@10"] + 0.04
    if kind == "covisit":
        assert quality["covisit_recall@10"] > quality["raw_covisit_recall@10"] + 0.1
