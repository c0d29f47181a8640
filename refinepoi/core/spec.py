"""Spec: the validated, frozen description of one part of a run.

Hydra composes YAML; pydantic checks it once (`refinepoi/experiment.py`); from there on everything is one of these.
Values live in `conf/` alone, so a Spec declares fields without defaults; its `identity` is the whole dump.
"""

import hashlib
import json
import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_GRID = re.compile(r"^[1-9]\d{0,3}x[1-9]\d{0,3}$")


class Spec(BaseModel):
    """Frozen, strict, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def identity(self) -> Any:
        """What the key of an artifact is made of: all of it, except where a field cannot change a result."""
        return self.model_dump(mode="json")


def _check_grid(text: Any) -> Any:
    if not isinstance(text, str) or not _GRID.match(text):
        raise ValueError("must be a grid written HEIGHTxWIDTH, such as 16x16")
    return text


Grid = Annotated[str, BeforeValidator(_check_grid)]
"""A SOM grid as text, `HEIGHTxWIDTH`, so that it stays comparable in dashboards."""

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


def grid_shape(grid: str) -> tuple[int, int]:
    """`"16x8"` -> `(16, 8)` = (height, width)."""
    height, width = grid.split("x")
    return int(height), int(width)


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no blanks, no NaN. Equal values give equal text on every platform."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def digest(value: Any) -> str:
    """The first 20 hex digits of the sha256 of `canonical(value)`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:20]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
