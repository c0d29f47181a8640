"""Build, save, load: the same logits before and after, for every kind of model."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from models import difference, logits, lora, pretrained, scratch, train
from transformers import AutoTokenizer

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.model.load import build, load, save
from refinepoi.model.tokenizer import SPECIALS

Folder = Callable[..., Path]
EACH = pytest.mark.parametrize(
    ("architecture", "tie"), [("qwen3", True), ("qwen3", False), ("qwen2", True), ("llama", True), ("llama", False)]
)


@pytest.mark.parametrize("tie", [True, False])
@pytest.mark.parametrize("architecture", ["qwen3", "llama"])
def test_scratch_survives_saving(
    prompts: Prompts, semantic_ids: SemanticIds, tmp_path: Path, architecture: str, tie: bool
) -> None:
    lm = build(scratch(architecture, tie), prompts, semantic_ids)
    fresh = logits(lm, prompts)
    train(lm, prompts)
    trained = logits(lm, prompts)
    assert difference(fresh, trained) > 0.1
    save(lm, tmp_path)
    assert difference(trained, logits(load(tmp_path), prompts)) <= 1e-6


@EACH
def test_a_pretrained_model_survives_saving(
    prompts: Prompts, semantic_ids: SemanticIds, folder: Folder, tmp_path: Path, architecture: str, tie: bool
) -> None:
    lm = build(pretrained(folder(architecture, tie)), prompts, semantic_ids)
    train(lm, prompts)
    trained = logits(lm, prompts)
    save(lm, tmp_path)
    assert difference(trained, logits(load(tmp_path), prompts)) <= 1e-6


def test_every_trainable_weight_of_a_scratch_model_moves(prompts: Prompts, semantic_ids: SemanticIds) -> None:
    lm = build(scratch(tie=False), prompts, semantic_ids)
    before = {name: p.detach().clone() for name, p in lm.model.named_parameters()}
    train(lm, prompts, steps=1)
    assert [name for name, p in lm.model.named_parameters() if torch.equal(p, before[name])] == []


def test_loading_for_reading_and_for_training(prompts: Prompts, semantic_ids: SemanticIds, tmp_path: Path) -> None:
    save(build(scratch(), prompts, semantic_ids), tmp_path)
    reading, training = load(tmp_path).model, load(tmp_path, trainable=True).model
    assert not reading.training and not any(p.requires_grad for p in reading.parameters())
    assert all(p.requires_grad for p in training.parameters())
    assert all(p.dtype == torch.float32 for p in training.parameters())
    assert reading.config._attn_implementation == "sdpa"  # type: ignore[union-attr]


def test_sampling_defaults_of_a_folder_never_leak(
    prompts: Prompts, semantic_ids: SemanticIds, folder: Folder, tmp_path: Path
) -> None:
    source = folder("qwen3", True)
    assert json.loads((source / "generation_config.json").read_text())["temperature"] == 0.6
    lm = build(pretrained(source), prompts, semantic_ids)
    save(lm, tmp_path)
    shutil.copy(source / "generation_config.json", tmp_path)  # even where a policy folder was tampered with
    for config in (lm.model.generation_config, load(tmp_path).model.generation_config):
        read = config.to_dict()  # type: ignore[union-attr]
        assert (read["do_sample"], read["temperature"], read["top_p"], read["top_k"]) == (False, 1.0, 1.0, None)
        assert read["num_beams"] == 1 and read["eos_token_id"] == lm.tokenizer.eos_token_id


def test_equal_seeds_give_equal_weights_and_leave_the_global_generator(
    prompts: Prompts, semantic_ids: SemanticIds, folder: Folder
) -> None:
    path = folder("llama", False)
    for spec in (scratch, lambda seed: pretrained(path, lora(), seed=seed)):
        torch.manual_seed(5)
        state = torch.random.get_rng_state()
        one, same, other = (build(spec(seed=seed), prompts, semantic_ids).model.state_dict() for seed in (1, 1, 2))  # type: ignore[operator]
        assert torch.equal(state, torch.random.get_rng_state())
        assert all(torch.equal(one[name], same[name]) for name in one)
        assert any(not torch.equal(one[name], other[name]) for name in one)


def test_saved_files_are_safetensors_only_and_repeatable(
    prompts: Prompts, semantic_ids: SemanticIds, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        save(build(scratch(), prompts, semantic_ids), tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert files == [
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_new_rows_lie_at_the_mean_of_the_old_ones(prompts: Prompts, semantic_ids: SemanticIds, folder: Folder) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for tie in (True, False):
        path = folder("llama", tie)
        known = len(AutoTokenizer.from_pretrained(path))
        old: Any = AutoModelForCausalLM.from_pretrained(path)
        lm = build(pretrained(path, id_init="mean"), prompts, semantic_ids)
        for end in ("get_input_embeddings", "get_output_embeddings"):
            rows, before = (getattr(m, end)().weight.detach() for m in (lm.model, old))
            before = before[:known]
            assert torch.equal(rows[:known], before)
            new = rows[known : len(lm.tokenizer)]
            assert len(new) == len(prompts.id_tokens) + 1  # and the padding token
            # 19 draws with a tenth of the spread: their mean strays by about .1 / sqrt(19) = .023 of it
            assert float((new.mean(0) - before.mean(0)).abs().max() / before.std(0).mean()) < 0.1
            assert 0.05 < float((new.std(0) / before.std(0)).mean()) < 0.2
            assert len(torch.unique(new, dim=0)) == len(new)


def test_batches_padded_on_the_left_read_alike(prompts: Prompts, semantic_ids: SemanticIds) -> None:
    lm = build(scratch(), prompts, semantic_ids)
    texts = ["d1 h9 <A_0,0><B_0,0>", "h9 <A_0,0>"]
    batch = lm.tokenizer(texts, padding=True, return_tensors="pt")
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1], [0, 0, 1, 1]]
    with torch.no_grad():
        both = lm.model(**batch).logits[:, -1]
        alone = [lm.model(**lm.tokenizer([text], return_tensors="pt")).logits[0, -1] for text in texts]
    assert difference(both, torch.stack(alone)) < 1e-5


def test_prompts_for_models_from_scratch_are_warned_of(
    prompts: Prompts, semantic_ids: SemanticIds, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    build(pretrained(folder("llama", True)), prompts, semantic_ids)
    assert not caplog.records
    evidence = replace(prompts, facts=prompts.facts | {"template": "evidence"})
    build(pretrained(folder("llama", True)), evidence, semantic_ids)
    assert "prompt: evidence is written for models from scratch" in caplog.text


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def _set(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_model_of_ours_goes_on_where_it_can_read_the_prompts(
    prompts: Prompts, semantic_ids: SemanticIds, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its ID tokens stay as trained; a word it lacks would be read like any other unknown one."""
    own = build(scratch(), prompts, semantic_ids)
    save(own, tmp_path)
    told = replace(prompts, facts=prompts.facts | {"template": "evidence"})
    again = build(pretrained(tmp_path), told, semantic_ids)
    assert not caplog.messages
    for name, value in own.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    for change in ({"words": (*told.words, "b7", "b9")}, {"id_tokens": (*told.id_tokens, "<A_7,7>", "<B_7,7>")}):
        with pytest.raises(UserError, match=r"model\.path: built for other .* no '(b7|<A_7,7>)' \(2 missing"):
            build(pretrained(tmp_path), replace(told, **change), semantic_ids)


def test_words_in_pieces_are_nothing_unknown(
    prompts: Prompts, semantic_ids: SemanticIds, folder: Folder, tmp_path: Path
) -> None:
    """Gemma's tokenizers name pad, bos, eos and unk as ours do, and hold few whole words."""
    shutil.copytree(folder("llama", True), tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    tokenizer.add_tokens(list(SPECIALS))
    tokenizer.save_pretrained(tmp_path / "model")
    assert set(prompts.words) - tokenizer.get_vocab().keys()
    build(pretrained(tmp_path / "model"), prompts, semantic_ids)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: shutil.rmtree(path), "has no config.json"),
        (lambda path: (path / "config.json").unlink(), "has no config.json"),
        (lambda path: (path / "model.safetensors").unlink(), "has no safetensors weights"),
        (lambda path: (path / "config.json").write_text("{}"), "cannot be loaded"),
        (lambda path: (path / "tokenizer.json").write_text("{}"), "cannot be loaded"),
        (lambda path: (path / "tokenizer.json").write_text('{"model": {"type": "BPE"}}'), "cannot be loaded"),
        (lambda path: _cut(path / "model.safetensors"), "cannot be loaded"),
        (lambda path: _set(path / "config.json", hidden_size="wide"), "cannot be loaded"),
    ],
)
def test_folders_that_cannot_be_used_are_refused(
    prompts: Prompts,
    semantic_ids: SemanticIds,
    folder: Folder,
    tmp_path: Path,
    damage: Callable[[Path], None],
    message: str,
) -> None:
    path = tmp_path / "broken"
    shutil.copytree(folder("llama", True), path)
    damage(path)
    start = time.monotonic()
    with pytest.raises(UserError, match=rf"model\.path: .*{message}"):
        build(pretrained(path), prompts, semantic_ids)
    assert time.monotonic() - start < 3


def test_code_in_a_folder_is_never_run(
    prompts: Prompts, semantic_ids: SemanticIds, folder: Folder, tmp_path: Path
) -> None:
    path = tmp_path / "trojan"
    shutil.copytree(folder("llama", True), path)
    config = json.loads((path / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}
    (path / "config.json").write_text(json.dumps(config))
    (path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass C: pass\nclass M: pass\n")
    with pytest.raises(UserError, match="cannot be loaded"):
        build(pretrained(path), prompts, semantic_ids)
    assert not (tmp_path / "ran").exists()
