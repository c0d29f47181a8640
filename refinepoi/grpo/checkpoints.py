"""Checkpoints that are whole or not there: a marker with what else must be remembered is written last."""

import json
import shutil
from pathlib import Path
from typing import Any

from refinepoi.core.store import write_durably

COMPLETE = "COMPLETE.json"


def step_of(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def mark_complete(folder: Path, memory: Any) -> None:
    """`memory`: plain values to be handed back by `last_complete`."""
    write_durably(folder / COMPLETE, json.dumps(memory))


def last_complete(work: Path) -> tuple[Path, Any] | None:
    """The newest whole checkpoint and its memory. Broken ones, left by a crash, are removed."""
    found = None
    for folder in sorted(work.glob("checkpoint-*"), key=step_of):
        if (folder / COMPLETE).exists():
            found = folder
        else:
            shutil.rmtree(folder)
    return (found, json.loads((found / COMPLETE).read_text(encoding="utf-8"))) if found else None


def replace_folder(partial: Path, final: Path) -> None:
    """Put a finished folder in its place, at once; an older one there (made before a crash) goes."""
    if final.exists():
        shutil.rmtree(final)
    partial.rename(final)
