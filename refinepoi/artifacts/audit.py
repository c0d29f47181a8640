"""Audit: what a reviewer wants to know of the data, and whether test rows leaked. Made by `refinepoi/audit`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from refinepoi.artifacts.files import read_json, write_json


@dataclass(frozen=True, eq=False)
class Audit:
    """
    content: protocol, steps, splits, unseen, targets, tests (name, status passed | failed | not applicable, what was
    found), remarks (name, count, what is meant). The page for people is `pictures/audit.html`.
    """

    content: dict[str, Any]

    def save(self, folder: Path) -> None:
        write_json(folder / "audit.json", self.content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(read_json(folder / "audit.json"))
