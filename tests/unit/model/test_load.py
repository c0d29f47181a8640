"""Build, save, load: the same logits before and after, for every kind of model."""

import copy
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from refinepoi.artifacts.prompts import Prompts
from refinepoi.core.errors import UserError
from refinepoi.model.adapter import merged
from refinepoi.model.load import LanguageModel, adapt, build, load, save
from refinepoi.model.spec import LocalModel, Lora, ScratchModel

Folder = Callable[..., Path]
LORA = Lora(rank=3, alpha=6.0, dropout=0.0, targets=("q_proj", "v_proj", "down_proj"))
EACH = pytest.mark.parametrize(
    ("architecture", "tie"), [("qwen3", True), ("qwen3", False), ("llama", True), ("llama", False)]
)


def scratch(architecture: Any = "llama", tie: bool = True, **changes: Any) -> ScratchModel:
    values = {
        "kind": "scratch", "architecture": architecture, "hidden": 32, "layers": 2, "heads": 4, "kv_heads": 2,
        "intermediate": 48, "tie": tie, "init": 0.3, "seed": 0,
    }  # fmt: skip
    return ScratchModel.model_validate(values | changes)


def local(path: Path, lora: Lora | None = None, seed: int = 0) -> LocalModel:
    return LocalModel(kind="local", path=str(path), lora=lora, seed=seed)


def encode(lm: LanguageModel, prompts: Prompts) -> torch.Tensor:
    return lm.tokenizer(prompts.table["prompt"][0] + prompts.table["answer"][0], return_tensors="pt").input_ids


@torch.no_grad()
def logits(lm: LanguageModel, prompts: Prompts) -> torch.Tensor:
    lm.model.eval()
    return lm.model(input_ids=encode(lm, prompts)).logits


def train(lm: LanguageModel, prompts: Prompts, steps: int = 3) -> None:
    lm.model.train()
    trained = [p for p in lm.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.02)
    ids = encode(lm, prompts)
    for _ in range(steps):
        lm.model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    assert one.shape == other.shape and one.abs().max() > 0.1
    return float((one - other).abs().max())


@EACH
def test_scratch_survives_saving(prompts: Prompts, tmp_path: Path, architecture: str, tie: bool) -> None:
    lm = build(scratch(architecture, tie), prompts)
    fresh = logits(lm, prompts)
    train(lm, prompts)
    trained = logits(lm, prompts)
    assert difference(fresh, trained) > 0.1
    save(lm, tmp_path)
    assert difference(trained, logits(load(tmp_path), prompts)) <= 1e-6


@EACH
def test_a_local_model_survives_saving(
    prompts: Prompts, folder: Folder, tmp_path: Path, architecture: str, tie: bool
) -> None:
    lm = build(local(folder(architecture, tie)), prompts)
    train(lm, prompts)
    trained = logits(lm, prompts)
    save(lm, tmp_path)
    assert difference(trained, logits(load(tmp_path), prompts)) <= 1e-6


@EACH
def test_a_lora_is_merged_when_saved(
    prompts: Prompts, folder: Folder, tmp_path: Path, architecture: str, tie: bool
) -> None:
    lm = build(local(folder(architecture, tie), LORA), prompts)
    fresh = logits(lm, prompts)
    train(lm, prompts)
    trained = logits(lm, prompts)
    assert difference(fresh, trained) > 0.1
    save(lm, tmp_path)
    loaded = load(tmp_path)
    assert torch.equal(logits(lm, prompts), trained)  # saving left the model as it was
    assert difference(trained, logits(loaded, prompts)) <= 1e-5 * float(trained.abs().max())  # merging rounds once
    save(loaded, tmp_path / "again")
    assert difference(logits(loaded, prompts), logits(load(tmp_path / "again"), prompts)) <= 1e-6
    assert not list(tmp_path.glob("adapter*"))


@EACH
def test_merging_agrees_with_peft(prompts: Prompts, folder: Folder, architecture: str, tie: bool) -> None:
    lm = build(local(folder(architecture, tie), LORA), prompts)
    train(lm, prompts)
    peft: Any = copy.deepcopy(lm.model)
    theirs, ours = peft.merge_and_unload().state_dict(), merged(lm.model).state_dict()  # type: ignore[arg-type]
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@EACH
def test_a_fresh_adapter_changes_nothing(
    prompts: Prompts, folder: Folder, tmp_path: Path, architecture: str, tie: bool
) -> None:
    """So the KL of GRPO's policy to its warm start begins at exactly zero."""
    lm = build(local(folder(architecture, tie), LORA), prompts)
    train(lm, prompts)
    save(lm, tmp_path)
    start = load(tmp_path, trainable=True)
    before = logits(start, prompts)
    policy = adapt(start, local(folder(architecture, tie), LORA))
    assert torch.equal(before, logits(policy, prompts))
    train(policy, prompts)
    assert difference(before, logits(policy, prompts)) > 0.1
    with policy.model.disable_adapter():  # type: ignore[operator]
        assert torch.equal(before, logits(policy, prompts))


@pytest.mark.parametrize("tie", [True, False])
def test_embeddings_and_head_are_trained_and_stay_tied(prompts: Prompts, folder: Folder, tie: bool) -> None:
    lm = build(local(folder("qwen3", tie), LORA), prompts)
    inner: Any = lm.model.get_base_model()  # type: ignore[operator]
    before = inner.get_input_embeddings().weight.detach().clone()
    train(lm, prompts)
    ends = inner.get_input_embeddings().weight, inner.get_output_embeddings().weight
    assert (ends[0] is ends[1]) == tie
    new = lm.tokenizer.convert_tokens_to_ids(list(prompts.id_tokens))
    assert (ends[0][new] != before[new]).any(1).sum() >= 4  # the four ID tokens of the text
    assert not any(name.endswith("_proj.base_layer.weight") for name, p in inner.named_parameters() if p.requires_grad)


def test_every_trainable_weight_of_a_scratch_model_moves(prompts: Prompts) -> None:
    lm = build(scratch(tie=False), prompts)
    before = {name: p.detach().clone() for name, p in lm.model.named_parameters()}
    train(lm, prompts, steps=1)
    assert [name for name, p in lm.model.named_parameters() if torch.equal(p, before[name])] == []


def test_loading_for_reading_and_for_training(prompts: Prompts, tmp_path: Path) -> None:
    save(build(scratch(), prompts), tmp_path)
    reading, training = load(tmp_path).model, load(tmp_path, trainable=True).model
    assert not reading.training and not any(p.requires_grad for p in reading.parameters())
    assert all(p.requires_grad for p in training.parameters())
    assert all(p.dtype == torch.float32 for p in training.parameters())
    assert reading.config._attn_implementation == "sdpa"  # type: ignore[union-attr]


def test_sampling_defaults_of_a_folder_never_leak(prompts: Prompts, folder: Folder, tmp_path: Path) -> None:
    source = folder("qwen3", True)
    assert json.loads((source / "generation_config.json").read_text())["temperature"] == 0.6
    lm = build(local(source), prompts)
    save(lm, tmp_path)
    shutil.copy(source / "generation_config.json", tmp_path)  # even where a policy folder was tampered with
    for config in (lm.model.generation_config, load(tmp_path).model.generation_config):
        read = config.to_dict()  # type: ignore[union-attr]
        assert (read["do_sample"], read["temperature"], read["top_p"], read["top_k"]) == (False, 1.0, 1.0, None)
        assert read["num_beams"] == 1 and read["eos_token_id"] == lm.tokenizer.eos_token_id


def test_equal_seeds_give_equal_weights_and_leave_the_global_generator(prompts: Prompts, folder: Folder) -> None:
    path = folder("llama", False)
    for spec in (scratch, lambda seed: local(path, LORA, seed)):
        torch.manual_seed(5)
        state = torch.random.get_rng_state()
        one, same, other = (build(spec(seed=seed), prompts).model.state_dict() for seed in (1, 1, 2))  # type: ignore[operator]
        assert torch.equal(state, torch.random.get_rng_state())
        assert all(torch.equal(one[name], same[name]) for name in one)
        assert any(not torch.equal(one[name], other[name]) for name in one)


def test_saved_files_are_safetensors_only_and_repeatable(prompts: Prompts, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save(build(scratch(), prompts), tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert files == [
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_new_rows_lie_at_the_mean_of_the_old_ones(prompts: Prompts, folder: Folder) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for tie in (True, False):
        path = folder("llama", tie)
        known = len(AutoTokenizer.from_pretrained(path))
        old: Any = AutoModelForCausalLM.from_pretrained(path)
        lm = build(local(path), prompts)
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


def test_batches_padded_on_the_left_read_alike(prompts: Prompts) -> None:
    lm = build(scratch(), prompts)
    texts = ["d1 h9 <A_0,0><B_0,0>", "h9 <A_0,0>"]
    batch = lm.tokenizer(texts, padding=True, return_tensors="pt")
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1], [0, 0, 1, 1]]
    with torch.no_grad():
        both = lm.model(**batch).logits[:, -1]
        alone = [lm.model(**lm.tokenizer([text], return_tensors="pt")).logits[0, -1] for text in texts]
    assert difference(both, torch.stack(alone)) < 1e-5


def test_bare_adapters_are_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="bare adapter"):
        load(tmp_path)


def test_unknown_targets_are_refused(prompts: Prompts, folder: Folder) -> None:
    lora = Lora(rank=2, alpha=2.0, dropout=0.0, targets=("q_proj", "w_proj"))
    with pytest.raises(UserError, match=r"model\.lora\.targets: no module is called 'w_proj'; this model has .*q_proj"):
        build(local(folder("llama", True), lora), prompts)


def test_all_linear_is_a_target(prompts: Prompts, folder: Folder) -> None:
    lora = Lora(rank=2, alpha=2.0, dropout=0.0, targets=("all-linear",))
    names = [name for name, _ in build(local(folder("llama", True), lora), prompts).model.named_parameters()]
    assert any("gate_proj.lora_A" in name for name in names) and not any("lm_head.lora" in name for name in names)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: shutil.rmtree(path), "has no config.json"),
        (lambda path: (path / "config.json").unlink(), "has no config.json"),
        (lambda path: (path / "model.safetensors").unlink(), "has no safetensors weights"),
        (lambda path: (path / "config.json").write_text("{}"), "cannot be loaded"),
        (lambda path: (path / "tokenizer.json").write_text("{}"), "cannot be loaded"),
    ],
)
def test_folders_that_cannot_be_used_are_refused(
    prompts: Prompts, folder: Folder, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "broken"
    shutil.copytree(folder("llama", True), path)
    damage(path)
    start = time.monotonic()
    with pytest.raises(UserError, match=rf"model\.path: .*{message}"):
        build(local(path), prompts)
    assert time.monotonic() - start < 3


def test_code_in_a_folder_is_never_run(prompts: Prompts, folder: Folder, tmp_path: Path) -> None:
    path = tmp_path / "trojan"
    shutil.copytree(folder("llama", True), path)
    config = json.loads((path / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}
    (path / "config.json").write_text(json.dumps(config))
    (path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass C: pass\nclass M: pass\n")
    with pytest.raises(UserError, match="cannot be loaded"):
        build(local(path), prompts)
    assert not (tmp_path / "ran").exists()
