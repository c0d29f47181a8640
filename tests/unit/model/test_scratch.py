from typing import Any

import pytest
import torch
from options import option
from pydantic import TypeAdapter

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.linear import Linear
from refinepoi.model.load import build
from refinepoi.model.spec import ModelSpec, ScratchModel


def read(name: str, **changes: Any) -> ScratchModel:
    return TypeAdapter(ModelSpec).validate_python(option("model", name) | {"seed": 0} | changes)


def parameters(spec: ScratchModel, prompts: Prompts, semantic_ids: SemanticIds) -> int:
    return sum(p.numel() for p in build(spec, prompts, semantic_ids).model.parameters())


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("micro", 0.2e6, 0.6e6), ("tiny", 0.5e6, 2e6), ("small", 16e6, 24e6), ("base", 90e6, 110e6)],
)
def test_sizes_are_as_promised(
    prompts: Prompts, semantic_ids: SemanticIds, name: str, least: float, most: float
) -> None:
    spec = read(name)
    vocabulary = 900  # as on a real city; the prompts here have a few words only
    with torch.device("meta"):  # sizes are what is asked, not weights
        count = parameters(spec.model_copy(update={"id_init": "random"}), prompts, semantic_ids)
    assert least < count + vocabulary * spec.hidden < most


def test_the_model_has_the_asked_shape(prompts: Prompts, semantic_ids: SemanticIds) -> None:
    for architecture, name in (("qwen3", "Qwen3ForCausalLM"), ("llama", "LlamaForCausalLM")):
        shape = {"hidden": 64, "layers": 3, "heads": 4, "kv_heads": 2, "intermediate": 96}
        spec = read("tiny", architecture=architecture, start="random", **shape)
        model: Any = build(spec, prompts, semantic_ids).model
        config = model.config
        assert type(model).__name__ == name
        assert (config.hidden_size, config.num_hidden_layers, config.intermediate_size) == (64, 3, 96)
        assert (config.num_attention_heads, config.num_key_value_heads, config.head_dim) == (4, 2, 16)


def test_positions_hold_prompt_and_answer(prompts: Prompts, semantic_ids: SemanticIds) -> None:
    lm = build(read("tiny"), prompts, semantic_ids)
    need = prompts.facts["budget"] + prompts.facts["longest_answer"]
    assert lm.model.config.max_position_embeddings == lm.tokenizer.model_max_length == 128 > need  # type: ignore[union-attr]


def test_the_spread_of_the_weights_is_a_setting(prompts: Prompts, semantic_ids: SemanticIds) -> None:
    for init in (0.02, 0.2):
        weight = (
            build(read("tiny", init=init, start="random"), prompts, semantic_ids)
            .model.get_input_embeddings()
            .weight.detach()
        )  # type: ignore[operator]
        assert abs(float(weight.std()) / init - 1) < 0.1


def test_linear_layers_are_the_quick_ones(prompts: Prompts, semantic_ids: SemanticIds) -> None:
    model = build(read("micro"), prompts, semantic_ids).model
    assert {type(m) for m in model.modules() if isinstance(m, torch.nn.Linear)} == {Linear}
