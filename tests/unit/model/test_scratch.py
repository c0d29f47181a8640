from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from pydantic import TypeAdapter, ValidationError

from refinepoi.artifacts.prompts import Prompts
from refinepoi.linear import Linear
from refinepoi.model.load import build
from refinepoi.model.spec import LocalModel, ModelSpec, ScratchModel

CONF = Path(__file__).parents[3] / "conf" / "model"


def read(name: str, **changes: Any) -> Any:
    values = yaml.safe_load((CONF / f"{name}.yaml").read_text()) | {"seed": 0}
    if values.get("lora"):
        values["lora"]["targets"] = tuple(values["lora"]["targets"])
    return TypeAdapter(ModelSpec).validate_python(values | changes)


def parameters(spec: ScratchModel, prompts: Prompts) -> int:
    return sum(p.numel() for p in build(spec, prompts).model.parameters())


def test_option_files_are_valid() -> None:
    assert isinstance(read("tiny"), ScratchModel) and isinstance(read("small"), ScratchModel)
    assert isinstance(read("local"), LocalModel)


@pytest.mark.parametrize(("name", "least", "most"), [("tiny", 0.5e6, 2e6), ("small", 16e6, 24e6)])
def test_sizes_are_as_promised(prompts: Prompts, name: str, least: float, most: float) -> None:
    spec = read(name)
    vocabulary = 900  # as on a real city; the prompts here have a few words only
    assert least < parameters(spec, prompts) + vocabulary * spec.hidden < most


def test_the_model_has_the_asked_shape(prompts: Prompts) -> None:
    for architecture, name in (("qwen3", "Qwen3ForCausalLM"), ("llama", "LlamaForCausalLM")):
        spec = read("tiny", architecture=architecture, hidden=64, layers=3, heads=4, kv_heads=2, intermediate=96)
        model: Any = build(spec, prompts).model
        config = model.config
        assert type(model).__name__ == name
        assert (config.hidden_size, config.num_hidden_layers, config.intermediate_size) == (64, 3, 96)
        assert (config.num_attention_heads, config.num_key_value_heads, config.head_dim) == (4, 2, 16)


def test_positions_hold_prompt_and_answer(prompts: Prompts) -> None:
    lm = build(read("tiny"), prompts)
    need = prompts.facts["budget"] + prompts.facts["longest_answer"]
    assert lm.model.config.max_position_embeddings == lm.tokenizer.model_max_length == 128 > need  # type: ignore[union-attr]


def test_the_spread_of_the_weights_is_a_setting(prompts: Prompts) -> None:
    for init in (0.02, 0.2):
        weight = build(read("tiny", init=init), prompts).model.get_input_embeddings().weight.detach()  # type: ignore[operator]
        assert abs(float(weight.std()) / init - 1) < 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": 100, "heads": 8}, r"hidden 100 must be a multiple of 2 x heads \(8\)"),
        ({"heads": 4, "kv_heads": 3}, r"heads 4 must be a multiple of kv_heads \(3\)"),
        ({"architecture": "gpt2"}, "qwen3"),
        ({"layers": 0}, "greater than or equal to 1"),
        ({"lora": None}, "not permitted"),
    ],
)
def test_wrong_sizes_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read("tiny", **changes)


def test_wrong_adapters_are_refused() -> None:
    lora = {"rank": 4, "alpha": 8.0, "dropout": 0.0, "targets": ("q_proj",)}
    for changes, message in (
        ({"rank": 0}, "greater than or equal to 1"),
        ({"dropout": 1.0}, "less than 1"),
        ({"targets": ()}, "at least 1 item"),
        ({"targets": ("all-linear", "q_proj")}, "stands alone"),
    ):
        with pytest.raises(ValidationError, match=message):
            read("local", lora=lora | changes)
    assert read("local", lora=None).lora is None


def test_linear_layers_are_the_quick_ones(prompts: Prompts) -> None:
    model = build(read("micro"), prompts).model
    assert {type(m) for m in model.modules() if isinstance(m, torch.nn.Linear)} == {Linear}
