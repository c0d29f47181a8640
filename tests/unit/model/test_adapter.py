"""LoRA of every family, tied and untied, new tokens as rows and as matrices: trained, saved, loaded, merged."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from models import difference, logits, lora, pretrained, scratch, train, training

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.model.adapter import merged
from refinepoi.model.load import LanguageModel, adapt, build, load, save, save_merged
from refinepoi.model.tokenizer import added_numbers

Folder = Callable[..., Path]
FAMILIES = ("qwen3", "qwen2", "llama")
EACH = pytest.mark.parametrize("folder_of", [(f, t) for f in FAMILIES for t in (True, False)], ids=str)
MODES = pytest.mark.parametrize("mode", ["rows", "matrices"])


@pytest.fixture
def made(prompts: Prompts, semantic_ids: SemanticIds, folder: Folder, folder_of: tuple[str, bool], mode: str) -> Any:
    return build(pretrained(folder(*folder_of), training(mode)), prompts, semantic_ids)


@MODES
@EACH
def test_an_adapter_survives_saving_and_merging(prompts: Prompts, tmp_path: Path, made: LanguageModel) -> None:
    fresh = logits(made, prompts)
    train(made, prompts)
    trained = logits(made, prompts)
    assert difference(fresh, trained) > 0.1
    save(made, tmp_path / "adapter")
    assert difference(trained, logits(load(tmp_path / "adapter"), prompts)) <= 1e-6
    save_merged(made, tmp_path / "merged")
    assert torch.equal(logits(made, prompts), trained)  # saving left the model as it was
    whole = load(tmp_path / "merged")
    assert whole.base is None and difference(trained, logits(whole, prompts)) <= 1e-5 * float(trained.abs().max())


@MODES
@EACH
def test_merging_agrees_with_peft(prompts: Prompts, made: LanguageModel) -> None:
    train(made, prompts)
    learns = [name for name, weight in made.model.named_parameters() if weight.requires_grad]
    whole = LanguageModel(merged(made.model), made.tokenizer)  # type: ignore[arg-type]
    assert [name for name, weight in made.model.named_parameters() if weight.requires_grad] == learns
    trained = logits(made, prompts)
    assert difference(trained, logits(whole, prompts)) <= 1e-5 * float(trained.abs().max())
    peft: Any = copy.deepcopy(made.model)
    theirs, ours = peft.merge_and_unload().state_dict(), merged(made.model).state_dict()  # type: ignore[arg-type]
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@MODES
@EACH
def test_a_loaded_adapter_is_trained_on(prompts: Prompts, tmp_path: Path, made: LanguageModel) -> None:
    """Stages that follow each other train one adapter: going on after a file changes nothing."""
    save(made, tmp_path)
    again = adapt(load(tmp_path, trainable=True), pretrained(tmp_path, lora()))
    names = {n for n, p in made.model.named_parameters() if p.requires_grad}
    assert names == {n for n, p in again.model.named_parameters() if p.requires_grad}
    train(made, prompts)
    train(again, prompts)
    assert difference(logits(made, prompts), logits(again, prompts)) <= 1e-6


@MODES
@EACH
def test_new_tokens_are_trained_and_stay_tied(prompts: Prompts, made: LanguageModel, mode: str) -> None:
    inner: Any = made.model.get_base_model()  # type: ignore[operator]
    tied = inner.config.tie_word_embeddings
    before = [end().weight.detach().clone() for end in (inner.get_input_embeddings, inner.get_output_embeddings)]
    train(made, prompts)
    after = [end().weight.detach() for end in (inner.get_input_embeddings, inner.get_output_embeddings)]
    assert torch.equal(*after) == tied
    new = set(added_numbers(made.tokenizer))
    assert new - {made.tokenizer.pad_token_id} == {*made.tokenizer.convert_tokens_to_ids(list(prompts.id_tokens))}
    for old, now in zip(before, after, strict=True):
        moved = set((old != now).any(1).nonzero().ravel().tolist())
        assert len(moved & new) >= 4 and (moved <= new) == (mode == "rows")
    assert not any(name.endswith("_proj.base_layer.weight") for name, p in inner.named_parameters() if p.requires_grad)


@pytest.mark.parametrize("spare", [7, 40])
@MODES
def test_rows_beyond_the_tokenizer_are_used_first(
    prompts: Prompts, semantic_ids: SemanticIds, folder: Folder, tmp_path: Path, mode: str, spare: int
) -> None:
    path = folder("qwen3", True, spare)
    rows = json.loads((path / "config.json").read_text())["vocab_size"]
    lm = build(pretrained(path, training(mode)), prompts, semantic_ids)
    inner: Any = lm.model.get_base_model()  # type: ignore[operator]
    assert inner.get_input_embeddings().weight.shape[0] == max(rows, len(lm.tokenizer))
    train(lm, prompts)
    save(lm, tmp_path)
    assert difference(logits(lm, prompts), logits(load(tmp_path), prompts)) <= 1e-6


def test_what_a_policy_of_an_adapter_holds(
    prompts: Prompts, semantic_ids: SemanticIds, folder: Folder, tmp_path: Path
) -> None:
    source = folder("llama", True)
    for name in ("one", "two"):
        save(build(pretrained(source, lora()), prompts, semantic_ids), tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert files == [
        "adapter_config.json", "adapter_model.safetensors", "base.json", "chat_template.jinja", "tokenizer.json",
        "tokenizer_config.json",
    ]  # fmt: skip
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    base = json.loads((tmp_path / "one" / "base.json").read_text())
    assert base["path"] == str(source) and len(base["digest"]) == 64 and base["bits"] == 32
    size = (tmp_path / "one" / "adapter_model.safetensors").stat().st_size
    assert size < (source / "model.safetensors").stat().st_size / 2


def test_a_fresh_adapter_changes_nothing(prompts: Prompts, semantic_ids: SemanticIds, tmp_path: Path) -> None:
    """So the KL of GRPO's policy to its warm start begins at exactly zero."""
    lm = build(scratch(), prompts, semantic_ids)
    train(lm, prompts)
    save(lm, tmp_path)
    start = load(tmp_path, trainable=True)
    before = logits(start, prompts)
    policy = adapt(start, pretrained(tmp_path, lora()))
    assert torch.equal(before, logits(policy, prompts))
    train(policy, prompts)
    assert difference(before, logits(policy, prompts)) > 0.1
    with policy.model.disable_adapter():  # type: ignore[operator]
        assert torch.equal(before, logits(policy, prompts))
    save(policy, tmp_path / "saved")  # of no base that others could find: merged
    assert not (tmp_path / "saved" / "adapter_config.json").exists()


@pytest.fixture
def saved(prompts: Prompts, semantic_ids: SemanticIds, folder: Folder, tmp_path: Path) -> Path:
    """An adapter in `adapter`, its base in `base`."""
    import shutil

    shutil.copytree(folder("llama", True), tmp_path / "base")
    save(build(pretrained(tmp_path / "base", lora()), prompts, semantic_ids), tmp_path / "adapter")
    return tmp_path


def test_another_base_is_refused(saved: Path, folder: Folder) -> None:
    (saved / "base" / "model.safetensors").write_bytes((folder("llama", False) / "model.safetensors").read_bytes())
    with pytest.raises(UserError, match=r"trained on other weights than model\.path=.* holds now .* put the old ones"):
        load(saved / "adapter")


def test_a_base_that_is_gone_is_named(saved: Path) -> None:
    (saved / "base").rename(saved / "elsewhere")
    with pytest.raises(UserError, match=r"the base of its adapter, model\.path=.*base has no config\.json"):
        load(saved / "adapter")


def test_an_adapter_without_its_base_is_refused(saved: Path) -> None:
    (saved / "adapter" / "base.json").unlink()
    with pytest.raises(UserError, match="its base is not known"):
        load(saved / "adapter")


def test_unknown_targets_are_refused(prompts: Prompts, semantic_ids: SemanticIds, folder: Folder) -> None:
    wrong = lora(targets=("q_proj", "w_proj"))
    message = r"model\.training\.targets: no module is called 'w_proj'; this model has .*q_proj"
    with pytest.raises(UserError, match=message):
        build(pretrained(folder("llama", True), wrong), prompts, semantic_ids)


def test_all_linear_is_a_target(prompts: Prompts, semantic_ids: SemanticIds, folder: Folder) -> None:
    lm = build(pretrained(folder("llama", True), lora(targets=("all-linear",))), prompts, semantic_ids)
    names = [name for name, _ in lm.model.named_parameters()]
    assert any("gate_proj.lora_A" in name for name in names) and not any("lm_head.lora" in name for name in names)
