"""Reading and writing the three plain formats of artifacts: JSON facts, npy arrays, parquet tables. No pickle."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.core.spec import canonical


class BrokenArtifact(ValueError):
    """An artifact contradicts itself. The message names the row or field."""


def require(condition: bool, message: str) -> None:
    """Raise `BrokenArtifact(message)` unless `condition`."""
    if not condition:
        raise BrokenArtifact(message)


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(json.loads(canonical(value)), indent=1, sort_keys=True), encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    np.save(path, array, allow_pickle=False)


def read_array(path: Path, mapped: bool = False) -> npt.NDArray[Any]:
    """`mapped`: read pages as they are used (for arrays of hundreds of MB)."""
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    return array
