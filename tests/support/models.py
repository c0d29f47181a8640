"""Specs of tiny language models, and what tests do with a model: read its logits, train it for a few steps."""

from pathlib import Path
from typing import Any

import torch

from refinepoi.artifacts.prompts import Prompts
from refinepoi.model.load import LanguageModel
from refinepoi.model.spec import Full, Lora, PretrainedModel, Qlora, ScratchModel

TARGETS = ("q_proj", "v_proj", "down_proj")


def scratch(architecture: str = "llama", tie: bool = True, **changes: Any) -> ScratchModel:
    values = {
        "kind": "scratch", "architecture": architecture, "hidden": 32, "layers": 2, "heads": 4, "kv_heads": 2,
        "intermediate": 48, "tie": tie, "init": 0.3, "id_init": "som",
        "rope_theta": 1e4, "start": "random", "seed": 0,
    }  # fmt: skip
    return ScratchModel.model_validate(values | changes)


def lora(new_tokens: Any = "rows", **changes: Any) -> Lora:
    values = {
        "kind": "lora", "rank": 3, "alpha": 6.0, "dropout": 0.0, "targets": TARGETS, "new_tokens": new_tokens
    }  # fmt: skip
    return Lora.model_validate(values | changes)


def qlora(new_tokens: Any = "rows") -> Qlora:
    return Qlora.model_validate(lora(new_tokens).model_dump() | {"kind": "qlora"})


def training(mode: str) -> Full | Lora:
    """mode: full | rows | matrices."""
    return Full(kind="full") if mode == "full" else lora(mode)


def pretrained(path: Path | None, how: Full | Lora | Qlora | None = None, **changes: Any) -> PretrainedModel:
    values = {
        "kind": "pretrained", "name": None, "revision": None, "path": str(path) if path else None,
        "training": how or Full(kind="full"), "id_init": "som", "seed": 0,
    }  # fmt: skip
    return PretrainedModel(**(values | changes))


def encode(lm: LanguageModel, prompts: Prompts) -> torch.Tensor:
    return lm.tokenizer(prompts.table["prompt"][0] + prompts.table["answer"][0], return_tensors="pt").input_ids


@torch.no_grad()
def logits(lm: LanguageModel, prompts: Prompts) -> torch.Tensor:
    lm.model.eval()
    return lm.model(input_ids=encode(lm, prompts)).logits


def train(lm: LanguageModel, prompts: Prompts, steps: int = 3) -> None:
    lm.model.train()
    optimizer = torch.optim.AdamW([p for p in lm.model.parameters() if p.requires_grad], lr=0.02)
    ids = encode(lm, prompts)
    for _ in range(steps):
        lm.model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    assert one.shape == other.shape and one.abs().max() > 0.1
    return float((one - other).abs().max())
