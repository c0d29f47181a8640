"""Every option of conf/quantizer is a valid spec; what is wrong is refused."""

import json
from pathlib import Path

import pytest
from options import option
from pydantic import TypeAdapter, ValidationError

from refinepoi.core.spec import digest
from refinepoi.quantizer.spec import VERSION, FittedSpec, QuantizerSpec, SomSpec

CONF = Path(__file__).parents[3] / "conf" / "quantizer"
SPECS: TypeAdapter = TypeAdapter(QuantizerSpec)


def read(name, **changes):
    values = option("quantizer", name)
    values |= ({"seed": 0} if "seed" in values else {}) | changes
    return SPECS.validate_python({k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


@pytest.mark.parametrize("name", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_each_option_is_a_spec_of_its_kind(name):
    assert read(name).kind == name


def test_the_default_is_the_hierarchical_som():
    assert isinstance(read("som"), SomSpec)


@pytest.mark.parametrize(
    "change",
    [
        {"levels": ["16"]},
        {"levels": ["0x4"]},
        {"levels": []},
        {"levels": ["16 x 16"]},
        {"sigma_end": [-0.3]},
        {"sigma_end": []},
        {"sigma_end": [1e-200]},
        {"sigma_end": [0.3, 0.5, 0.7]},  # the option has two levels
        {"sigma_start": [0.3, 0.5, 0.7]},
        {"levels": ["9999x9999"] * 3},  # prefixes are numbered by int64
        {"sigma_start": [0.0]},
        {"sigma_start": 0.25},
        {"batch_rows": 0},
        {"batch_rows": 100, "schedule": "multi_resolution"},
        {"batch_rows": 100, "search": "local"},
        {"epochs": 0},
        {"epochs": 2.5},
        {"collisions": "free"},
        {"seed": -1},
        {"sigma": 1.0},
    ],
    ids=str,
)
def test_a_wrong_value_is_refused(change):
    with pytest.raises(ValidationError):
        read("som", **change)


def store(folder, stage="quantize", files=("codes.npy",), version=VERSION):
    folder.mkdir(exist_ok=True)
    manifest = {"stage": stage, "version": version, "key": "k", "files": dict.fromkeys(files, "0")}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return read("fitted", codebook=str(folder))


def test_a_codebook_is_pinned_by_its_content(tmp_path):
    one = store(tmp_path / "a")
    assert not one.problems()
    assert SPECS.validate_json(one.model_dump_json()) == one
    before = digest(one)
    assert before != digest(store(tmp_path / "a", files=("codes.npy", "more.npy")))


def test_what_is_no_codebook_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (line,) = read("fitted", codebook=str(tmp_path / "none")).problems()
    assert line.startswith("quantizer.codebook: no folder") and "STORE/quantize/KEY" in line
    (line,) = read("fitted", codebook=str(tmp_path / "empty")).problems()
    assert "holds no stored artifact, not what quantize makes" in line
    (line,) = store(tmp_path / "other", stage="train_encoder").problems()
    assert "holds train_encoder, not what quantize makes" in line
    (line,) = store(tmp_path / "old", version=VERSION - 1).problems()
    assert f"was made by version {VERSION - 1} of quantize, and version {VERSION} is needed; repeat the run" in line
    assert isinstance(read("fitted", codebook="x"), FittedSpec)


def test_maps_of_one_kind_take_sigmas_as_the_other():
    for kind in ("som", "minisom"):
        assert read(kind, sigma_start=[0.3, 0.2]).sigma_start == (0.3, 0.2)
        with pytest.raises(ValidationError, match=r"sigma_end=\[0\.3, 0\.7\] has 2 values for 1 levels"):
            read(kind, levels=["4x4"])


def test_as_many_ids_as_int64_can_number():
    assert read("random", levels=["256x256"] * 3 + ["64x128"]).kind == "random"  # 2**61
    with pytest.raises(ValidationError, match=r"make 9\.2e\+18 IDs"):
        read("random", levels=["256x256"] * 3 + ["128x256"])  # 2**63
