"""What a leak test found."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """A test and its outcome."""

    name: str
    status: Literal["passed", "failed", "not applicable"]
    found: str


def find(name: str, broken: int, passed: str, failed: str) -> Finding:
    return Finding(name, "failed" if broken else "passed", f"{broken} {failed}" if broken else passed)
