"""Settings that name a stored artifact by its folder: its content, not its path, is part of the identity."""

from pathlib import Path
from typing import Any

from refinepoi.core.spec import digest
from refinepoi.core.store import read_manifest


def content_of(folder: str, stage: str) -> str:
    """Digest of the files of an artifact of `stage`; empty where the folder holds none."""
    manifest = _manifest(folder)
    return digest([manifest["key"], manifest["files"]]) if manifest.get("stage") == stage else ""


def problems_with(key: str, folder: str, stage: str) -> list[str]:
    """What is wrong with `folder` as the value of `key`: a line, or nothing."""
    remedy = f"give the folder STORE/{stage}/KEY of an earlier run"
    if not Path(folder).is_dir():
        return [f"{key}: no folder {folder!r}; {remedy}"]
    if not content_of(folder, stage):
        made = _manifest(folder).get("stage", "no stored artifact")
        return [f"{key}: {folder!r} holds {made}, not what {stage} makes; {remedy}"]
    return []


def _manifest(folder: str) -> dict[str, Any]:
    try:
        manifest = read_manifest(Path(folder))
    except (OSError, ValueError):
        return {}
    return manifest if {"stage", "key", "files"} <= set(manifest) else {}
