"""4-bit bases. Only GPUs are offered to users; the library's slow path on the CPU runs the same code here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from models import difference, logits, pretrained, qlora, train

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.model import pretrained as reading
from refinepoi.model.load import build, load, save, save_merged

bitsandbytes = pytest.importorskip("bitsandbytes", reason="the extra refinepoi[qlora] is not installed")


@pytest.mark.parametrize("new_tokens", ["rows", "matrices"])
@pytest.mark.parametrize(("family", "tie"), [("qwen3", True), ("llama", False)])
def test_an_adapter_on_four_bits_survives_saving_and_merging(
    prompts: Prompts, semantic_ids: SemanticIds, folder: Callable[..., Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, family: str, tie: bool, new_tokens: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(reading, "_gpu", lambda: "cpu")
    monkeypatch.setattr(reading, "COMPUTE", torch.float32)  # so that what is rounded is the weights alone
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: False)  # another format, for CPUs alone
    lm = build(pretrained(folder(family, tie), qlora(new_tokens)), prompts, semantic_ids)
    inner: Any = lm.model.get_base_model()  # type: ignore[operator]
    assert isinstance(inner.model.layers[0].mlp.gate_proj, bitsandbytes.nn.Linear4bit)
    fresh = logits(lm, prompts)
    train(lm, prompts)
    trained = logits(lm, prompts)
    assert difference(fresh, trained) > 0.1
    save(lm, tmp_path / "adapter")
    loaded = load(tmp_path / "adapter")
    assert loaded.base is not None and loaded.base.bits == 4
    assert difference(trained, logits(loaded, prompts)) <= 1e-6
    save_merged(loaded, tmp_path / "merged")
    merged = load(tmp_path / "merged")
    assert "quantization_config" not in (tmp_path / "merged" / "config.json").read_text()
    assert all(p.dtype == torch.float32 for p in merged.model.parameters())
    assert difference(trained, logits(merged, prompts)) <= 1e-5 * float(trained.abs().max())


def test_without_a_gpu_it_is_refused(prompts: Prompts, semantic_ids: SemanticIds, folder: Callable[..., Path]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match=r"qlora needs a CUDA GPU and torch sees none; take model/training=lora"):
        build(pretrained(folder("llama", True), qlora()), prompts, semantic_ids)
