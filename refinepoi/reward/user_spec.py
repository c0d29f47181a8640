"""A reward of the user's own: one file, named on the command line or in YAML, and what can be wrong with it.

The file's digest is part of the settings, so a changed file is another experiment; a frozen `config.yaml` whose file
has changed since is refused. What it imports is not part of the digest. Nothing of the file is executed here.
"""

import ast
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from refinepoi.core.spec import NonNegative, Spec

KEY = "reward.user"


class UserReward(Spec):
    file: str = Field(min_length=1, description="a Python file; a relative path begins where the program is started")
    function: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="its name in the file")
    weight: NonNegative
    content: str = Field(description="digest of the file, filled in when the settings are read")

    @model_validator(mode="before")
    @classmethod
    def _pin(cls, value: Any) -> Any:
        if isinstance(value, dict) and "content" not in value and isinstance(value.get("file"), str):
            return {**value, "content": digest_of(value["file"])}
        return value

    def problems(self) -> list[str]:
        """What is wrong with the file: a line, or nothing."""
        try:
            text = Path(self.file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8 text"
            return [f"{KEY}.file: {self.file!r} cannot be read ({why}); give the path of a Python file"]
        if digest_of(self.file) != self.content:
            return [f"{KEY}.file: {self.file!r} has changed since these settings were frozen; start a new run with it"]
        try:
            names = top_level_names(text)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            return [
                f"{KEY}.file: {self.file!r} is not Python (line {line}: {getattr(error, 'msg', error)}); correct it"
            ]
        if self.function not in names:
            known = ", ".join(sorted(names)) or "nothing"
            return [f"{KEY}.function: {self.file!r} defines no function {self.function!r}; it defines {known}"]
        return []


def digest_of(file: str) -> str:
    """Empty where there is no such file; `problems` says so."""
    try:
        return digest_of_bytes(Path(file).read_bytes())
    except OSError:
        return ""


def digest_of_bytes(content: bytes) -> str:
    return sha256(content).hexdigest()[:20]


def top_level_names(text: str) -> set[str]:
    """Names of the functions a Python text defines."""
    return {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
