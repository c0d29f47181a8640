"""Where a pretrained model is looked for: the Hub's cache as `hf download` fills it, without network."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub.constants
import pytest
from models import difference, logits, lora, pretrained, train

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.core.model_folder import digest_of
from refinepoi.model.load import build, load, save
from refinepoi.model.source import fetched, is_whole, missing

COMMIT = "c" * 40


@pytest.fixture
def cached(folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `some/model` in a cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    snapshot = tmp_path / "hub" / "models--some--model" / "snapshots" / COMMIT
    shutil.copytree(folder("qwen3", True), snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(COMMIT)
    return snapshot


def test_a_cached_model_is_found_by_commit(cached: Path) -> None:
    assert fetched("some/model", COMMIT) == cached
    assert missing("some/model", COMMIT) == []


def test_policies_name_the_commit_of_their_base(
    cached: Path, prompts: Prompts, semantic_ids: SemanticIds, tmp_path: Path
) -> None:
    spec = pretrained(None, lora(), name="some/model", revision=COMMIT)
    lm = build(spec, prompts, semantic_ids)
    train(lm, prompts)
    save(lm, tmp_path / "policy")
    base = json.loads((tmp_path / "policy" / "base.json").read_text())
    assert (base["name"], base["revision"], base["path"]) == ("some/model", COMMIT, None)
    assert difference(logits(lm, prompts), logits(load(tmp_path / "policy"), prompts)) <= 1e-6
    assert str(tmp_path) not in (tmp_path / "policy" / "adapter_config.json").read_text()


def test_a_branch_is_named_by_its_commit(
    cached: Path, prompts: Prompts, semantic_ids: SemanticIds, caplog: pytest.LogCaptureFixture
) -> None:
    lm = build(pretrained(None, name="some/model", revision="main"), prompts, semantic_ids)
    assert lm.base is not None and lm.base.revision == COMMIT
    assert f"model.revision: main moves; today it is {COMMIT}, and with model.revision={COMMIT}" in caplog.text


def test_half_a_download_is_not_taken(cached: Path) -> None:
    (cached / "model.safetensors").unlink()
    assert not is_whole(cached)
    with pytest.raises(UserError, match=rf"some/model at {COMMIT} is not in the cache .* hf download some/model"):
        fetched("some/model", COMMIT)


def test_shards_are_counted(cached: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (cached / "model.safetensors.index.json").write_text(json.dumps(index))
    assert not is_whole(cached)
    for shard in index["weight_map"].values():
        shutil.copy(cached / "model.safetensors", cached / shard)
    assert is_whole(cached)


def test_what_is_not_there_is_named_with_the_remedy(cached: Path) -> None:
    other = "d" * 40
    with pytest.raises(UserError, match=rf"hf download some/model --revision {other} .*model\.path=FOLDER"):
        fetched("some/model", other)
    (problem,) = missing("some/model", other)
    assert "not in the cache" in problem


def test_the_digest_is_of_names_and_content(cached: Path, tmp_path: Path) -> None:
    first = digest_of(cached)
    shutil.copytree(cached, tmp_path / "copy")
    assert digest_of(tmp_path / "copy") == first
    (tmp_path / "copy" / "README.md").write_text("no part of the model")
    assert digest_of(tmp_path / "copy") == first
    weights = tmp_path / "copy" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert digest_of(tmp_path / "copy") != first
