"""Store: each artifact under the hash of stage, version, specs and inputs, so that nothing is computed twice.

    <root>/<stage>/<key>/              finished: manifest.json (written last) and the artifact's files
    <root>/.partial/<stage>-<key>/     being made; the same name on every attempt, so trainers resume from it

An artifact appears by one rename of a complete folder. A lock per key lets parallel jobs share one build, but integrity
never depends on it: a build that finds another live owner works in a folder of its own (`core/claim.py`), and the first
rename wins.
"""

import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from refinepoi.core.claim import claimed
from refinepoi.core.resources import peak_mb, reset_peak
from refinepoi.core.runtime import Runtime
from refinepoi.core.spec import Spec, digest
from refinepoi.core.stage import Artifact, Context, Stage, Storable
from refinepoi.core.tracking import NoTracker, StageLog, Tracker

T = TypeVar("T", bound=Storable)
log = logging.getLogger("refinepoi")

MANIFEST = "manifest.json"
CURVE = "curve.json"
WORK = ".work"
PACKAGES = ("numpy", "polars", "torch", "transformers", "trl", "peft", "pytorch-lightning", "minisom")


Execute = Callable[[Stage[Any], Context, Sequence[Spec | Artifact[Any]]], None]


def _here(stage: Stage[Any], context: Context, arguments: Sequence[Spec | Artifact[Any]]) -> None:
    stage.run(context, *arguments)


@dataclass
class Store:
    root: Path
    runtime: Runtime
    tracker: Tracker = field(default_factory=NoTracker)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What this run asked for: name -> {stage, key, hit, seconds}."""
    locks: bool = True
    execute: Execute = _here
    """Runs a stage: in this process, or as `processes/launch.py` does."""

    def get(self, stage: Stage[T], arguments: Sequence[Spec | Artifact[Any]], name: str | None = None) -> Artifact[T]:
        """The artifact of `stage` for these specs and inputs: read if the store has it, made otherwise."""
        start = time.monotonic()
        key = artifact_key(stage, arguments)
        final = self.root / stage.name / key
        asked_again = any(record["key"] == key for record in self.records.values())
        refresh = bool({stage.name, name} & set(self.runtime.refresh)) and not asked_again and _is_older(final)
        hit = not refresh and self._usable(final, stage)
        if not hit:
            with self._lock(stage.name, key):
                if refresh and final.exists():
                    self._set_aside(final, "refreshed")
                hit = self._usable(final, stage)  # a parallel job may have made it while this one waited
                if not hit:
                    self._make(stage, key, final, arguments)
        if hit:
            StageLog(stage.name, self.tracker).replay(_read_curve(final))
        seconds = time.monotonic() - start
        self.records[name or stage.name] = {"stage": stage.name, "key": key, "hit": hit, "seconds": round(seconds, 2)}
        log.info("%-22s %s %s  %.1f s", name or stage.name, "from store" if hit else "made      ", key, seconds)
        artifact = Artifact(stage.name, key, final, stage.makes, hit, seconds)
        if stage.tell:
            stage.tell(artifact, self.tracker)
        return artifact

    def _make(self, stage: Stage[T], key: str, final: Path, arguments: Sequence[Spec | Artifact[Any]]) -> None:
        start = time.monotonic()
        with claimed(self.root / ".partial" / f"{stage.name}-{key}") as partial:
            self._build(stage, key, partial, arguments, start)
            final.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.rename(partial, final)
            except OSError:
                if not self._usable(final, stage):
                    raise
                shutil.rmtree(partial, ignore_errors=True)  # another process published the same artifact first

    def _build(
        self, stage: Stage[T], key: str, partial: Path, arguments: Sequence[Spec | Artifact[Any]], start: float
    ) -> None:
        """Run the stage in `partial`; the manifest is written last."""
        stage_log = StageLog(stage.name, self.tracker)
        log.debug("%-22s making %s", stage.name, key)
        context = Context(partial, self.runtime, stage_log, stage.name)
        reset_peak()
        self.execute(stage, context, arguments)
        context.cost["memory_mb"] = max(round(peak_mb(), 1), context.cost.get("memory_mb", 0.0))
        (partial / CURVE).write_text(json.dumps(stage_log.curve), encoding="utf-8")
        shutil.rmtree(partial / WORK, ignore_errors=True)
        manifest = {
            "stage": stage.name,
            "version": stage.version,
            "key": key,
            "arguments": [
                {"artifact": a.stage, "key": a.key} if isinstance(a, Artifact) else a.model_dump(mode="json")
                for a in arguments
            ],
            "code": stage.code_digest,
            "git": _git_commit(),
            "packages": _package_versions(),
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - start, 2),
            "cost": context.cost,
            "files": _file_digests(partial),
        }
        write_durably(partial / MANIFEST, json.dumps(manifest, indent=1))

    def _usable(self, final: Path, stage: Stage[T]) -> bool:
        """Whether `final` holds the whole artifact. Damaged ones are set aside and made again."""
        if not final.exists():
            return False
        try:
            manifest = json.loads((final / MANIFEST).read_text(encoding="utf-8"))
            intact = manifest["key"] == final.name and manifest["files"] == _file_digests(final)
        except (OSError, ValueError, KeyError, TypeError):
            intact, manifest = False, {}
        if not intact:
            self._set_aside(final, "damaged")
            return False
        if manifest["code"] != stage.code_digest:
            log.warning(
                "%s %s was made by other code of this stage; make it again with runtime.refresh=[%s]",
                stage.name, final.name, stage.name,
            )  # fmt: skip
        return True

    def _set_aside(self, final: Path, why: str) -> None:
        aside = self.root / ".aside" / f"{final.parent.name}-{final.name}-{uuid.uuid4().hex[:8]}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(final, aside)
        except FileNotFoundError:
            return  # another process did it
        log.warning("%s %s is %s: moved to %s, made again", final.parent.name, final.name, why, aside)

    def _lock(self, stage: str, key: str) -> Any:
        if not self.locks:
            return nullcontext()
        folder = self.root / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{stage}-{key}.lock")


def _is_older(final: Path) -> bool:
    """Whether an artifact was there before this command started: a sweep that refreshes a stage makes it once."""
    started = os.environ.get("REFINEPOI_STARTED")
    try:
        return started is None or (final / MANIFEST).stat().st_mtime < float(started)
    except OSError:
        return True


def artifact_key(stage: Stage[Any], arguments: Sequence[Spec | Artifact[Any]]) -> str:
    """sha256 (20 hex digits), canonical JSON of [stage, version, [spec identity or input key, ...], judged code]."""
    parts = [a.key if isinstance(a, Artifact) else a.identity() for a in arguments]
    return digest([stage.name, stage.version, parts, *stage.judged])


def read_manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return content


def write_durably(path: Path, text: str) -> None:
    """Write a text file that is whole or absent after a crash: temporary name, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _file_digests(folder: Path) -> dict[str, str]:
    digests = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name != MANIFEST:
            with open(file, "rb") as stream:
                total = sha256()
                while block := stream.read(1 << 20):
                    total.update(block)
            digests[file.relative_to(folder).as_posix()] = total.hexdigest()
    return digests


def _read_curve(folder: Path) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = json.loads((folder / CURVE).read_text(encoding="utf-8"))
    return rows


def _package_versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git_commit() -> str:
    """The commit of the checkout this code runs from; empty in an installed package."""
    git = Path(__file__).parents[2] / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if head.startswith("ref: "):
            return (git / head[5:]).read_text(encoding="utf-8").strip()
        return head
    except OSError:
        return ""
