"""Every option of conf/quantizer is a valid spec; what is wrong is refused."""

import json
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from refinepoi.core.spec import digest
from refinepoi.quantizer.spec import FittedSpec, QuantizerSpec, SomSpec

CONF = Path(__file__).parents[3] / "conf" / "quantizer"
SPECS: TypeAdapter = TypeAdapter(QuantizerSpec)


def read(option, **changes):
    values = yaml.safe_load((CONF / f"{option}.yaml").read_text(encoding="utf-8"))
    for base in values.pop("defaults", []):
        values = yaml.safe_load((CONF / f"{base}.yaml").read_text(encoding="utf-8")) | values
    values |= ({"seed": 0} if "seed" in values else {}) | changes
    return SPECS.validate_python({k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


@pytest.mark.parametrize("option", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_each_option_is_a_spec_of_its_kind(option):
    assert read(option).kind == option


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


def store(folder, stage="quantize", files=("codes.npy",)):
    folder.mkdir(exist_ok=True)
    manifest = {"stage": stage, "key": "k", "files": dict.fromkeys(files, "0")}
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
    assert isinstance(read("fitted", codebook="x"), FittedSpec)
