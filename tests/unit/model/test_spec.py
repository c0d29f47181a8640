"""Options of `model` are valid; wrong settings are refused before anything heavy is imported."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from options import CONF, option
from pydantic import TypeAdapter, ValidationError

from refinepoi.core.store import artifact_key
from refinepoi.model import spec as specs
from refinepoi.model.spec import COMMIT, ModelSpec, PretrainedModel, Qlora, ScratchModel

NAMES = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
SCRATCH = ("base", "micro", "small", "tiny")


def read(which: str, how: str = "lora", **changes: Any) -> Any:
    values = option("model", which) | {"seed": 0}
    if values["kind"] == "pretrained":
        values["training"] = _tuples(option("model", f"training/{how}") | changes.pop("of_training", {}))
        values["path"] = None if values["path"] == "???" else values["path"]
    return TypeAdapter(ModelSpec).validate_python(values | changes)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


@pytest.mark.parametrize("name", NAMES)
def test_option_files_are_valid(name: str, tmp_path: Path) -> None:
    if name in SCRATCH:
        assert isinstance(read(name), ScratchModel)
        return
    assert isinstance(read(name, path=str(tmp_path)), PretrainedModel)
    if name != "local":
        spec = read(name)
        assert spec.path is None and COMMIT.fullmatch(spec.revision) and spec.pinned


@pytest.mark.parametrize("how", ["full", "lora", "qlora"])
def test_ways_of_training(how: str) -> None:
    assert read("qwen3_8b", how).training.kind == how


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": 100, "heads": 8}, r"hidden 100 must be a multiple of 2 x heads \(8\)"),
        ({"heads": 4, "kv_heads": 3}, r"heads 4 must be a multiple of kv_heads \(3\)"),
        ({"architecture": "gpt2"}, "qwen3"),
        ({"layers": 0}, "greater than or equal to 1"),
        ({"id_init": "mean"}, "random"),
        ({"architecture": "qwen3"}, "start copying: needs architecture llama.*take start random"),
        ({"kv_heads": 2}, "start copying"),
        ({"layers": 1}, "start copying"),
        ({"heads": 1, "kv_heads": 1}, "start copying"),
        ({"tie": False}, "start copying"),
        ({"training": None}, "not permitted"),
    ],
)
def test_wrong_sizes_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read("tiny", **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank": 0}, "greater than or equal to 1"),
        ({"dropout": 1.0}, "less than 1"),
        ({"targets": ()}, "at least 1 item"),
        ({"targets": ("all-linear", "q_proj")}, "stands alone"),
        ({"new_tokens": "all"}, "matrices"),
    ],
)
def test_wrong_adapters_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read("qwen3_0_6b", of_training=changes)


def test_a_model_without_a_source_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"path: has no value; give model\.path=FOLDER, or model\.name"):
        read("local")
    with pytest.raises(ValidationError, match=r"revision: has no value; give the commit of some/model .*=main takes"):
        read("local", name="some/model")
    assert not read("local", name="some/model", revision="main").pinned


def test_a_path_without_a_model_is_a_problem(tmp_path: Path) -> None:
    """Names of files are enough to tell: nothing is loaded before a run starts."""
    files = ("config.json", "model-00001-of-00001.safetensors", "tokenizer.json")
    for file, lacking in zip(files, ("config.json", "safetensors weights", "tokenizer"), strict=True):
        (problem,) = read("qwen3_0_6b", path=str(tmp_path)).problems()
        assert f"model.path: no model in '{tmp_path}', it has no {lacking}; give a Hugging Face folder" in problem
        (tmp_path / file).write_text("{}")
    assert read("qwen3_0_6b", path=str(tmp_path)).problems() == []
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "gone.safetensors"}}')
    assert "it has no gone.safetensors" in read("qwen3_0_6b", path=str(tmp_path)).problems()[0]


def test_a_folder_is_known_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for file in ("config.json", "model.safetensors", "tokenizer.json"):
            (tmp_path / name / file).write_text("{}")
    one, two = (read("local", path=str(tmp_path / name)) for name in ("one", "two"))
    first = one.identity()
    assert first == two.identity() and first != read("local", path=str(tmp_path)).identity()
    monkeypatch.chdir(tmp_path)
    assert read("local", path="one").identity() == first
    for file in ("model.safetensors", "tokenizer.json"):
        before = one.identity()
        (tmp_path / "one" / file).write_text("{ }")
        assert one.identity() != before
    stage = SimpleNamespace(name="train", version=1, judged=())
    assert artifact_key(cast(Any, stage), [one]) != artifact_key(cast(Any, stage), [two])


def test_without_network_or_cache_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    spec = read("qwen3_0_6b")
    (problem,) = spec.problems()
    assert "model.name: Qwen/Qwen3-0.6B at c1899de2" in problem and "model.path=FOLDER" in problem
    assert f"hf download Qwen/Qwen3-0.6B --revision {spec.revision}" in problem
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert spec.problems() == []


@pytest.mark.parametrize(
    ("library", "gpu", "reason"),
    [(True, True, None), (False, True, r'pip install "refinepoi[qlora]"'), (True, False, "needs a CUDA GPU")],
)
def test_qlora_is_refused_where_it_cannot_run(
    monkeypatch: pytest.MonkeyPatch, library: bool, gpu: bool, reason: str | None
) -> None:
    monkeypatch.setattr(specs.importlib.util, "find_spec", lambda _: object() if library else None)
    monkeypatch.setattr(specs, "may_have_gpu", lambda: gpu)
    training = read("qwen3_8b", "qlora").training
    assert isinstance(training, Qlora)
    problems = training.problems()
    assert (problems == []) == (reason is None)
    assert reason is None or (reason in problems[0] and "model/training=lora" in problems[0])
