"""Settings that name a stored artifact by its folder: its content, not its path, is part of the identity."""

from pathlib import Path
from typing import Any, ClassVar

from pydantic import computed_field, model_validator

from refinepoi.core.spec import Spec, digest
from refinepoi.core.store import read_manifest


class Pinned(Spec):
    """
    Names an artifact of an earlier run. A subclass says which field holds the folder and what must lie there: `key`,
    the field as a user writes it (`encoder.network`); `stage` and `version`, those of the stage that makes it.
    """

    key: ClassVar[str]
    stage: ClassVar[str]
    version: ClassVar[int]

    @property
    def folder(self) -> Path:
        return Path(getattr(self, self.key.rpartition(".")[2]))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def content(self) -> str:
        """Digest of the stored files: others in the same folder are another artifact. Empty where there are none."""
        manifest = _manifest(self.folder)
        return digest([manifest["key"], manifest["files"]]) if manifest.get("stage") == self.stage else ""

    @model_validator(mode="before")
    @classmethod
    def _accept_own_dump(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if k != "content"} if isinstance(value, dict) else value

    def problems(self) -> list[str]:
        """What is wrong with the folder: a line, or nothing."""
        folder, remedy = str(self.folder), f"give the folder STORE/{self.stage}/KEY of an earlier run"
        if not self.folder.is_dir():
            return [f"{self.key}: no folder {folder!r}; {remedy}"]
        manifest = _manifest(self.folder)
        if manifest.get("stage") != self.stage:
            made = manifest.get("stage", "no stored artifact")
            return [f"{self.key}: {folder!r} holds {made}, not what {self.stage} makes; {remedy}"]
        if manifest["version"] != self.version:
            return [
                f"{self.key}: {folder!r} was made by version {manifest['version']} of {self.stage}, and version "
                f"{self.version} is needed; repeat the run that made it and give the folder it makes now"
            ]
        return []


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = read_manifest(folder)
    except (OSError, ValueError):
        return {}
    return manifest if {"stage", "version", "key", "files"} <= set(manifest) else {}
