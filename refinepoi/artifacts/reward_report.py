"""Reward report: what the terms of the reward pay for before any training. Made by `refinepoi/grpo`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from refinepoi.artifacts.files import read_json, write_json


@dataclass(frozen=True, eq=False)
class RewardReport:
    """
    content: weights (by term), samplers (name -> prompts, group, terms, correlation, total), answers (what degenerate
    answers earn), hints. The page for people is `pictures/rewards.html`.
    """

    content: dict[str, Any]

    def save(self, folder: Path) -> None:
        write_json(folder / "rewards.json", self.content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(read_json(folder / "rewards.json"))
