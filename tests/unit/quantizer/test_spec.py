"""Every option of conf/quantizer is a valid spec; what is wrong is refused."""

from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from refinepoi.quantizer.spec import QuantizerSpec, SomSpec

CONF = Path(__file__).parents[3] / "conf" / "quantizer"
SPECS: TypeAdapter = TypeAdapter(QuantizerSpec)


def read(option, **changes):
    values = yaml.safe_load((CONF / f"{option}.yaml").read_text(encoding="utf-8")) | {"seed": 0} | changes
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
        {"sigma_start": 0.0},
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
