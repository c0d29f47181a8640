"""Export: a folder that transformers and vLLM load, without refinepoi. Made by `refinepoi/export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from refinepoi.artifacts.files import require

NEEDED = ("config.json", "generation_config.json", "tokenizer.json", "README.md", "ids.csv", "example.py")


@dataclass(frozen=True, eq=False)
class Export:
    """folder: weights, tokenizer, model card, ID table and example, side by side."""

    folder: Path

    def __post_init__(self) -> None:
        missing = [name for name in NEEDED if not (self.folder / name).is_file()]
        require(not missing, f"export: {self.folder} has no {missing}")
        require(any(self.folder.glob("*.safetensors")), f"export: no safetensors weights in {self.folder}")

    def save(self, folder: Path) -> None:
        """The folder is written in place: it may hold many gigabytes."""
        require(self.folder.resolve() == (folder / "model").resolve(), f"export: {self.folder} is not in {folder}")

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(folder / "model")
