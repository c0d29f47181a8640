"""Data outside the project: where it is, how it is fetched, and its content as part of the artifact's identity."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, computed_field, model_validator

from refinepoi.core.spec import Count, Spec
from refinepoi.dataset.files import fingerprint
from refinepoi.dataset.protocol_spec import Listed


class Remote(Spec):
    """A published file. It is fetched only where its checksum is pinned."""

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,120}$", description="name in the cache folder")
    sets: Literal["path", "places.path"] = Field(description="the setting it stands in for")
    urls: Annotated[tuple[Annotated[str, Field(pattern=r"^https?://")], ...], Listed]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(description="null: not known, not fetched")
    max_bytes: Count = Field(description="a longer answer is refused")
    rows: Count | None = Field(
        description="check-ins the authors count in it: a fetched file with another number is refused; null: unknown"
    )


class FromFiles(Spec):
    """Data outside the project: its content is part of the artifact's identity, not only its path."""

    path: Annotated[str, Field(min_length=1)] | None = Field(description="null: only with download=true")
    download: bool = Field(description="fetch `remote` into `cache` where `path` is null")
    cache: Annotated[str, Field(min_length=1)]
    remote: Annotated[tuple[Remote, ...], Listed]
    by_hand: str = Field(description="how to get the data without `download`")

    def located(self, setting: str, path: str | None) -> Path | None:
        """The file or folder of a setting, in the cache where it is null and `download` is on."""
        if path is not None:
            return Path(path).expanduser()
        remote = next((r for r in self.remote if r.sets == setting), None)
        return self.cached(remote) if self.download and remote else None

    def cached(self, remote: Remote) -> Path:
        return Path(self.cache).expanduser() / self.kind / remote.file  # type: ignore[attr-defined]

    def wanted(self) -> list[Remote]:
        """What `download` has to fetch: pinned files of settings without a path."""
        return [r for r in self.remote if self.download and self._setting(r.sets) is None]

    def _setting(self, name: str) -> str | None:
        value: Any = self
        for part in name.split("."):
            value = getattr(value, part, None)
        return value

    def by_role(self) -> dict[str, Path]:
        """The files that are there, in a fixed order, by the setting that names them (`path/NAME` in a folder)."""
        raise NotImplementedError

    def files(self) -> list[Path]:
        return list(self.by_role().values())

    @computed_field  # type: ignore[prop-decorator]
    @property
    def fingerprint(self) -> dict[str, str]:
        """sha256 of each file, pinned for what is not fetched yet: changed data is never answered from the store."""
        there = {role: fingerprint(file) for role, file in self.by_role().items()}
        return {r.sets: r.sha256 for r in self.wanted() if r.sha256} | there

    @model_validator(mode="before")
    @classmethod
    def _accept_own_dump(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if k != "fingerprint"} if isinstance(value, dict) else value

    def checkins(self) -> set[tuple[str, str]]:
        """What the check-ins are read from: (sha256, name inside a .zip or "") of each file."""
        member = str(getattr(self, "member", None) or "")
        return {(sha256, member) for role, sha256 in self.fingerprint.items() if role.split("/")[0] == "path"}

    def missing_path(self) -> list[str]:
        """Problems of a null path or of `download`."""
        if not self.download:
            fetchable = " or dataset.download=true" if any(r.sha256 for r in self.remote) else ""
            fault = f"dataset.path: has no value; give dataset.path=...{fetchable}. {self.by_hand}"
            return [fault] if self.path is None else []
        if not self.remote and self.path is None:
            return [f"dataset.download: no address is known for {self._name()}. {self.by_hand}"]
        return [
            f"dataset.download: no sha256 is pinned for {r.file}, so it is not fetched. {self.by_hand}"
            for r in self.wanted()
            if r.sha256 is None
        ]

    def _name(self) -> str:
        return str(getattr(self, "kind", "this data"))
