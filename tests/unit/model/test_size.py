"""Sizes from settings agree with the models that transformers makes of the same configurations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from models import lora, pretrained, qlora, scratch, training
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.model.load import build, save
from refinepoi.model.size import SHAPES, Shape, size_of

PUBLISHED = {  # parameters in billions, as the models' pages have them
    "Qwen/Qwen3-0.6B": 0.596, "Qwen/Qwen3-1.7B": 1.721, "Qwen/Qwen3-4B": 4.022, "Qwen/Qwen3-8B": 8.191,
    "Qwen/Qwen2.5-0.5B-Instruct": 0.494, "meta-llama/Llama-3.2-1B-Instruct": 1.236,
    "meta-llama/Llama-3.1-8B-Instruct": 8.030,
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_presets_have_their_published_sizes(name: str) -> None:
    assert SHAPES[name].total / 1e9 == pytest.approx(PUBLISHED[name], rel=2e-3)


@pytest.mark.parametrize("family", ["qwen3", "qwen2", "llama"])
@pytest.mark.parametrize("tie", [True, False])
def test_a_shape_counts_what_transformers_makes(family: str, tie: bool) -> None:
    config: Any = AutoConfig.for_model(
        family, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        intermediate_size=96, vocab_size=500, tie_word_embeddings=tie,
    )  # fmt: skip
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.ndim == 2)
    assert Shape(64, 3, 64, 32, 96, 500, tie).total == matrices


@pytest.mark.parametrize("how", ["full", "rows", "matrices"])
@pytest.mark.parametrize("tie", [True, False])
def test_what_is_trained_and_saved(
    prompts: Prompts, semantic_ids: SemanticIds, folder: Callable[..., Path], tmp_path: Path, how: str, tie: bool
) -> None:
    path = folder("llama", tie)
    spec = pretrained(path, training(how))
    size = size_of(spec, len(semantic_ids.tokens), 0)
    assert size is not None
    lm = build(spec, prompts, semantic_ids)
    trained = sum(p.numel() for p in lm.model.parameters() if p.requires_grad)
    assert size.trained == pytest.approx(trained, rel=0.05)
    save(lm, tmp_path)
    saved = sum(tensor.numel() for file in tmp_path.glob("*.safetensors") for tensor in load_file(file).values())
    assert size.policy_bytes == pytest.approx(4 * saved, rel=0.05)


def test_from_scratch(prompts: Prompts, semantic_ids: SemanticIds) -> None:
    lm = build(scratch("llama", tie=False), prompts, semantic_ids)
    size = size_of(scratch("llama", tie=False), 0, len(lm.tokenizer))
    assert size is not None
    assert size.total == pytest.approx(sum(p.numel() for p in lm.model.parameters()), rel=0.02)


def test_four_bits_weigh_less(folder: Callable[..., Path]) -> None:
    path = folder("llama", False)
    full, four = (size_of(pretrained(path, how()), 18, 0) for how in (lora, qlora))
    assert full is not None and four is not None
    assert four.training_bytes < full.training_bytes and four.policy_bytes == full.policy_bytes


def test_of_what_is_not_there_nothing_is_known(tmp_path: Path) -> None:
    assert size_of(pretrained(tmp_path), 0, 0) is None
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mamba"}))
    assert size_of(pretrained(tmp_path), 0, 0) is None
