"""Scores of a few words equal those of the whole vocabulary, whatever PEFT put around the head, and no more is done."""

import copy
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from folders import model_folder
from models import pretrained, training
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from refinepoi.artifacts.prompts import STREAMS, TABLE, Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.decoding.head import causal_model, head_of
from refinepoi.model.load import build, load, save

IDS = SemanticIds(np.array([[0, 0], [3, 1], [1, 2]], np.int32), ((2, 2), (2, 2)), "nearest_free")
PROMPTS = Prompts(pl.DataFrame(schema=TABLE), pl.DataFrame(schema=STREAMS), (), IDS.tokens, 2, {})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bool], Any]:
    """A model with its adapter, after some training of everything that is trained."""
    folders = {tie: _folder(tmp_path_factory.mktemp(f"tie-{tie}"), tie) for tie in (True, False)}

    def make(how: str, tie: bool) -> Any:
        language = build(pretrained(folders[tie], training(how)), PROMPTS, IDS)
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for weight in language.model.parameters():
                if weight.requires_grad:
                    weight += 0.3 * torch.randn(weight.shape, generator=generator)
        return language

    return make


def _folder(path: Path, tie: bool) -> Path:
    model_folder(path)
    if not tie:
        config = Qwen3Config.from_pretrained(path)
        config.tie_word_embeddings = False
        torch.manual_seed(1)
        Qwen3ForCausalLM(config).save_pretrained(path)
    return path


def words_of(language: Any) -> torch.Tensor:
    """Old and new words, in no order: trained rows and others."""
    size = len(language.tokenizer)
    return torch.tensor([size - 1, 5, size - 9, 40, 0, size - 4])


@contextmanager
def no_whole_head(model: nn.Module) -> Iterator[None]:
    """The head must not be run."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the whole vocabulary was computed")

    hooks = [
        module.register_forward_pre_hook(refuse) for module in causal_model(model).get_output_embeddings().modules()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("tie", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("how", ["full", "rows", "matrices"])
def test_few_scores_equal_those_of_all(made: Callable[[str, bool], Any], how: str, tie: bool) -> None:
    language = made(how, tie)
    model, words = language.model, words_of(language)
    head = causal_model(model).get_output_embeddings()
    hidden = torch.randn(2, 3, 32, generator=torch.Generator().manual_seed(0))
    for chosen in (words, slice(len(language.tokenizer))):
        with torch.no_grad():
            whole = head(hidden)
            with no_whole_head(model):
                few = head_of(model, chosen)(hidden)
        assert few.dtype == torch.float32 and (few - whole[..., chosen]).abs().max() <= 1e-6
    if how != "full":
        with model.disable_adapter(), torch.no_grad():
            plain = head(hidden)
            assert (plain[..., words] - whole[..., words]).abs().max() > 0.1  # the adapter matters
            assert (head_of(model, words)(hidden) - plain[..., words]).abs().max() <= 1e-6


@pytest.mark.parametrize("tie", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("how", ["rows", "matrices"])
def test_gradients_equal_those_of_all(made: Callable[[str, bool], Any], how: str, tie: bool) -> None:
    language = made(how, tie)
    model, words = language.model, words_of(language)
    found = []
    for few in (True, False):
        hidden = torch.randn(4, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
        head = causal_model(model).get_output_embeddings()
        scores = head_of(model, words)(hidden) if few else head(hidden)[..., words]
        scores.square().sum().backward()
        trained = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        assert trained and all(bool(grad.abs().sum() > 0) for grad in trained.values())
        found.append(trained | {"hidden": hidden.grad.clone()})
        model.zero_grad(set_to_none=True)
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tie", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("how", ["rows", "matrices"])
def test_a_policy_that_was_saved_gathers_too(
    made: Callable[[str, bool], Any], how: str, tie: bool, tmp_path: Path
) -> None:
    language = made(how, tie)
    hidden = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    words = words_of(language)
    with torch.no_grad():
        expected = causal_model(language.model).get_output_embeddings()(hidden)[..., words]
        save(language, tmp_path / "policy")
        for trainable in (False, True):
            model = load(tmp_path / "policy", trainable).model
            with no_whole_head(model):
                assert (head_of(model, words)(hidden) - expected).abs().max() <= 1e-6
            with model.disable_adapter():  # whose rows may lie in the base's weights
                without = head_of(model, words)(hidden)
                plain = causal_model(model).get_output_embeddings()(hidden)[..., words]
            assert (without - plain).abs().max() <= 1e-6 and (plain - expected).abs().max() > 0.1


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("how", ["rows", "matrices"])
def test_of_several_adapters_the_active_one_counts(made: Callable[[str, bool], Any], how: str) -> None:
    """TRL keeps the warm start beside the trained adapter, as `ref`."""
    language = made(how, False)
    model, words = language.model, words_of(language)
    model.add_adapter("ref", copy.deepcopy(model.peft_config["default"]))
    model.add_adapter("bare", LoraConfig(r=2, target_modules=["q_proj"]))
    head = causal_model(model).get_output_embeddings()
    hidden = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    found = []
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "ref" in name.split("."):
                weight += 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(4))
        for active in ("default", "ref", "bare"):
            model.set_adapter(active)
            found.append(head_of(model, words)(hidden))
            assert (found[-1] - head(hidden)[..., words]).abs().max() <= 1e-6, active
    assert all((one - other).abs().max() > 0.1 for one, other in itertools.combinations(found, 2))


def test_scores_are_float32_and_biases_count(tmp_path: Path) -> None:
    model = Qwen3ForCausalLM.from_pretrained(_folder(tmp_path, False))
    hidden, words = torch.randn(4, 32, generator=torch.Generator().manual_seed(0)), torch.tensor([3, 1, 200])
    with torch.no_grad():
        model.lm_head = nn.Linear(32, model.config.vocab_size)
        assert (head_of(model, words)(hidden) - model.lm_head(hidden)[..., words]).abs().max() <= 1e-6
        assert head_of(model.bfloat16(), words)(hidden.bfloat16()).dtype == torch.float32


def test_heads_that_scale_are_refused(tmp_path: Path) -> None:
    model = Qwen3ForCausalLM.from_pretrained(_folder(tmp_path, False))
    for scale, refused in ((1.0, False), (None, False), (0.5, True)):
        model.config.logit_scale = scale
        with pytest.raises(UserError, match=r"logit_scale=0\.5") if refused else nullcontext():
            head_of(model, torch.tensor([3, 1]))


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_a_lora_on_the_head_computes_everything(tmp_path: Path) -> None:
    model = get_peft_model(
        Qwen3ForCausalLM.from_pretrained(_folder(tmp_path, False)),
        LoraConfig(r=2, target_modules=["lm_head", "q_proj"]),
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(generator=torch.Generator().manual_seed(0))
        hidden, words = torch.randn(4, 32, generator=torch.Generator().manual_seed(0)), torch.tensor([3, 1, 200])
        whole = causal_model(model).get_output_embeddings()(hidden)[..., words]
        assert (head_of(model, words)(hidden) - whole).abs().max() <= 1e-6
        assert head_of(model.bfloat16(), words)(hidden.bfloat16()).dtype == torch.float32
        with pytest.raises(AssertionError, match="whole vocabulary"), no_whole_head(model):
            head_of(model, words)(hidden.bfloat16())
