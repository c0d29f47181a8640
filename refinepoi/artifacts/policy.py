"""Policy: a causal language model with its tokenizer, as a Hugging Face folder. Made by `refinepoi/sft` and `grpo`."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from refinepoi.artifacts.files import read_json, require, write_json


@dataclass(frozen=True, eq=False)
class Policy:
    """
    model: folder with config, safetensors weights (or a PEFT adapter) and tokenizer; loaded by `refinepoi/model`.
    facts: how it was trained, validation curve, best step.
    """

    model: Path
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        weights = [*self.model.glob("*.safetensors")]
        require(bool(weights), f"policy: no safetensors weights in {self.model}")

    def save(self, folder: Path) -> None:
        target = folder / "model"
        if self.model.resolve() != target.resolve():
            shutil.copytree(self.model, target, dirs_exist_ok=True)
        write_json(folder / "facts.json", self.facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(folder / "model", read_json(folder / "facts.json"))
