"""Checkpoints that are whole or not there: a marker with what else must be remembered is written last.

Durable, too: the files are on the disk before the marker is, which names them with their sizes. A machine that loses
its power may keep the marker and lose what it vouches for; such a checkpoint is not read.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from refinepoi.core.store import write_durably

COMPLETE = "COMPLETE.json"


def step_of(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def mark_complete(folder: Path, memory: Any) -> None:
    """`memory`: plain values to be handed back by `last_complete`."""
    _flush(folder)
    write_durably(folder / COMPLETE, json.dumps({"files": _sizes(folder), "memory": memory}))
    _sync(folder)
    _sync(folder.parent)


def last_complete(work: Path) -> tuple[Path, Any] | None:
    """The newest whole checkpoint and its memory. Broken ones, left by a crash, are removed."""
    found = None
    for folder in sorted(work.glob("checkpoint-*"), key=step_of):
        mark = folder / COMPLETE
        told = json.loads(mark.read_text(encoding="utf-8")) if mark.exists() else {}
        if told.get("files") == _sizes(folder):
            found = folder, told["memory"]
        else:
            shutil.rmtree(folder)
    return found


def replace_folder(partial: Path, final: Path) -> None:
    """Put a finished folder in its place, at once; an older one there (made before a crash) goes."""
    _flush(partial)
    if final.exists():
        shutil.rmtree(final)
    partial.rename(final)
    _sync(final.parent)


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of every file but the marker, by its path inside the folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != COMPLETE)
    return {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}


def _flush(folder: Path) -> None:
    """Everything in the folder is on the disk when this returns."""
    for path in [*folder.rglob("*"), folder]:
        _sync(path)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
