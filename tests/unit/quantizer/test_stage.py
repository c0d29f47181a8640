"""The stage: embeddings in, semantic IDs with report, curves and pictures out."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from options import option
from pydantic import TypeAdapter
from runtimes import runtime

from refinepoi.artifacts.embeddings import Embeddings
from refinepoi.artifacts.files import BrokenArtifact
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.core.stage import Context
from refinepoi.core.tracking import StageLog
from refinepoi.quantizer.fit import load
from refinepoi.quantizer.spec import VERSION, FittedSpec, QuantizerSpec
from refinepoi.quantizer.stage import quantize

CONF = Path(__file__).parents[3] / "conf" / "quantizer"
SMALL = {
    "som": {"epochs": 5},
    "nested": {"epochs": 5},
    "minisom": {"epochs": 3},
    "kmeans": {"iterations": 5},
    "rqvae": {"epochs": 5, "hidden": [16], "latent": 4, "batch_size": 32},
    "opq": {"rotations": 2, "iterations": 5},
    "random": {},
    "geographic": {},
    "category": {"epochs": 5, "iterations": 5},
}


class Handle(SimpleNamespace):
    def load(self):
        return self.value


def world(rows=120, columns=6, held_out=10):
    draw = np.random.default_rng(0)
    kind = draw.integers(0, 5, rows)
    x = (2 * draw.standard_normal((5, columns))[kind] + 0.5 * draw.standard_normal((rows, columns))).astype(np.float32)
    pois = pl.DataFrame(
        {
            "poi_id": [f"poi {n}" for n in range(rows)],
            "category": [f"kind {k}" for k in kind],
            "latitude": 40 + 0.1 * draw.random(rows),
            "longitude": -74 + 0.1 * draw.random(rows),
            "in_train": [n >= held_out for n in range(rows)],
        }
    )
    checkins = pl.DataFrame(
        {"poi": [held_out, held_out + 1], "split": [0, 1], "local": [9 * 3600, 20 * 3600]},
        schema={"poi": pl.Int32, "split": pl.Int8, "local": pl.Int64},
    )
    return Handle(value=Embeddings(x)), Handle(value=SimpleNamespace(pois=pois, checkins=checkins))


def spec(name, **changes):
    values = option("quantizer", name) | {"seed": 0, "levels": ["4x4", "4x3"]} | SMALL[name] | changes
    values["quality"]["beside"] = "off"  # `test_report.py` looks at the peers
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return TypeAdapter(QuantizerSpec).validate_python(values)


def run(folder, spec, inputs=None):
    folder.mkdir()
    log = StageLog("quantize")
    quantize.run(Context(folder, runtime(), log, "quantize"), spec, *(inputs or world()))
    return SemanticIds.load(folder), log


@pytest.fixture
def no_pictures(monkeypatch):
    """Drawing takes a second; `test_plots.py` looks at it."""
    monkeypatch.setattr("refinepoi.quantizer.plots.draw_all", lambda folder, *rest: folder.mkdir())


def files_of(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_every_quantizer_gives_each_poi_an_id_of_its_own(tmp_path, name, no_pictures):
    ids, _ = run(tmp_path / "a", spec(name))
    assert ids.codes.shape == (120, 2)
    assert ids.grids == ((4, 4), (4, 3))
    assert ids.collision_rate == 0
    assert ids.poi_ids == tuple(f"poi {n}" for n in range(120))
    stored_spec, quantizer = load(tmp_path / "a" / "quantizer")
    assert (stored_spec, quantizer.grids) == (spec(name), ids.grids)
    report = ids.report
    assert report["ids"]["collision_rate"] == 0 < report["ids"]["collision_rate_before"]
    run(tmp_path / "b", spec(name))
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_pictures_lie_beside_the_ids(tmp_path):
    run(tmp_path / "a", spec("random"))
    names = {name for name in files_of(tmp_path / "a") if name.endswith(".png")}
    assert {"pictures/city_map.png", "pictures/level_1.png", "pictures/level_2.png"} <= names
    assert "poi 119" in (tmp_path / "a" / "pictures" / "ids.html").read_text(encoding="utf-8")
    assert (
        (tmp_path / "a" / "quality.md").read_text(encoding="utf-8").startswith("# Quality of the semantic IDs: random")
    )


def test_curves_by_level_and_epoch(tmp_path, no_pictures):
    _, log = run(tmp_path / "a", spec("som"))
    steps = [row["step"] for row in log.curve]
    assert steps == sorted(steps) == [*range(1, 11), 10]
    assert {"level_1/quantization_error", "level_1/sigma"} <= set(log.curve[0])
    assert {"level_2/quantization_error", "level_2/sigma"} <= set(log.curve[9])
    assert log.curve[4]["level_1/quantization_error"] < log.curve[0]["level_1/quantization_error"]


def test_pois_outside_training_are_encoded_but_not_learned_from(tmp_path, no_pictures):
    embeddings, trajectories = world()
    ids, _ = run(tmp_path / "a", spec("som", collisions="none"), (embeddings, trajectories))
    moved = embeddings.value.vectors.copy()
    moved[:10] += 100  # the held-out rows
    other, _ = run(tmp_path / "b", spec("som", collisions="none"), (Handle(value=Embeddings(moved)), trajectories))
    for name in ("level_0.npy", "level_1.npy"):
        one, two = (tmp_path / run / "quantizer" / name for run in "ab")
        assert one.read_bytes() == two.read_bytes()
    assert (ids.codes[10:] == other.codes[10:]).all()
    assert (ids.codes[:10] != other.codes[:10]).any()
    assert ids.report["held_out"]["places"] == 10


def test_suffix_adds_a_level_without_vectors(tmp_path, no_pictures):
    ids, _ = run(tmp_path / "a", spec("som", collisions="suffix"))
    assert ids.levels == 3
    assert ids.grids[2][0] == 1
    assert ids.collision_rate == 0


def test_a_collapsed_level_is_reported(tmp_path, no_pictures):
    embeddings, trajectories = world()
    same = Embeddings(np.ones_like(embeddings.value.vectors))
    ids, _ = run(tmp_path / "a", spec("som"), (Handle(value=same), trajectories))
    assert any("level 1 collapsed" in line for line in ids.report["warnings"])
    assert ids.collision_rate == 0


def test_the_gate_stops_a_collapsed_run_before_anything_is_stored(tmp_path, no_pictures):
    embeddings, trajectories = world()
    same = Handle(value=Embeddings(np.ones_like(embeddings.value.vectors)))
    asked = spec("som")
    strict = asked.model_copy(update={"quality": asked.quality.model_copy(update={"gate": "stop"})})
    with pytest.raises(UserError, match="level 1 collapsed"):
        run(tmp_path / "a", strict, (same, trajectories))
    assert not (tmp_path / "a" / "codes.npy").exists()


def test_embeddings_of_another_catalogue_are_refused(tmp_path):
    embeddings, _ = world(rows=30)
    with pytest.raises(BrokenArtifact, match="30 embeddings for 120 POIs"):
        run(tmp_path / "a", spec("som"), (embeddings, world()[1]))


def test_too_many_places_are_refused_before_anything_is_fitted(tmp_path, monkeypatch):
    monkeypatch.setattr("refinepoi.quantizer.fit.fit", lambda *_: pytest.fail("fitted first"))
    with pytest.raises(UserError, match="120 POIs do not fit into 36 IDs"):
        run(tmp_path / "a", spec("som", levels=["2x3", "2x3"]))


def test_drift_warns_though_the_gate_of_the_first_fit_stops(tmp_path, no_pictures):
    """The gate is the extending run's own, and speaks of its codes alone."""
    embeddings, trajectories = world()
    asked = spec("som")
    strict = asked.model_copy(update={"quality": asked.quality.model_copy(update={"gate": "stop"})})
    run(tmp_path / "a", strict, (embeddings, trajectories))
    (tmp_path / "a" / "manifest.json").write_text(json.dumps({"stage": "quantize", "version": VERSION, "key": "k",
                                                              "files": {}}))  # fmt: skip
    own = option("quantizer", "fitted") | {"codebook": str(tmp_path / "a"), "old_drift": 0.01}
    extending = FittedSpec(
        **own | {"quality": own["quality"] | {"gate": "stop", "beside": "fast", "max_collisions": 1.0}}
    )
    elsewhere = Handle(value=Embeddings(embeddings.value.vectors[::-1].copy()))
    ids, _ = run(tmp_path / "b", extending, (elsewhere, trajectories))
    assert [line[:6] for line in ids.report["warnings"]] == ["drift:"]
    assert set(ids.report["beside"]) == {"random", "residual_kmeans"}  # the first fit had it off
    assert load(tmp_path / "b" / "quantizer")[0] == strict
