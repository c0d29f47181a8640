"""Stage: a plain function `(context, *specs, *inputs) -> None` that writes one artifact into `context.folder`.

`@stage` gives the function a name, a version and the class of the artifact it writes; `core/store.py` runs it at most
once for the same specs and inputs. A stage function is light to import: heavy libraries are imported inside it.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from refinepoi.core.runtime import Runtime
from refinepoi.core.tracking import StageLog, Tracker

if TYPE_CHECKING:
    from tqdm import tqdm


class Storable(Protocol):
    """What every artifact class offers. `load` checks what it reads."""

    def save(self, folder: Path) -> None: ...
    @classmethod
    def load(cls, folder: Path) -> Self: ...


T = TypeVar("T", bound=Storable)


@dataclass(frozen=True)
class Artifact(Generic[T]):
    """A handle on a finished artifact. Handles travel between stages; values are loaded where they are needed."""

    stage: str
    key: str
    path: Path
    made: type[T]
    hit: bool = True
    seconds: float = 0.0

    def load(self) -> T:
        return self.made.load(self.path)


@dataclass(frozen=True)
class Context:
    """What a stage may use besides its specs and inputs. Nothing in here may change its result."""

    folder: Path
    """Where the artifact is written. The same partial folder is offered again after a crash: trainers go on there."""
    runtime: Runtime
    log: StageLog
    """`log.metrics({...}, step)`, `log.image(name, path)`, `log.table(name, frame)`: under the stage's own name."""
    stage: str
    cost: dict[str, float] = field(default_factory=dict)
    """What the work consumed, such as `tokens`; kept in the manifest, for the plan of later runs."""

    rank: int = 0
    processes: int = 1
    """Of a stage that runs in several processes (`refinepoi/processes`), each with a context of its own."""

    @property
    def main(self) -> bool:
        """Whether this process writes: one does."""
        return self.rank == 0

    @property
    def work(self) -> Path:
        """Scratch inside the partial folder: checkpoints, temporary files. Removed before the artifact is published."""
        folder = self.folder / ".work"
        folder.mkdir(exist_ok=True)
        return folder

    def progress(self, items: Iterable[Any] | None = None, total: int | None = None, unit: str = "it") -> "tqdm[Any]":
        """A progress bar with the stage's name and the time left."""
        return progress_bar(self.stage, items, total, unit, self.runtime.progress)


def progress_bar(
    name: str, items: Iterable[Any] | None = None, total: int | None = None, unit: str = "it", shown: bool = True
) -> "tqdm[Any]":
    from tqdm import tqdm

    return tqdm(
        items,
        total=total,
        desc=f"{name:<12}",
        unit=unit,
        disable=None if shown else True,  # None: only where a person watches (a terminal)
        leave=False,
        dynamic_ncols=True,
        bar_format="{desc} {percentage:3.0f}% |{bar:24}| {n_fmt}/{total_fmt} {unit} {elapsed}<{remaining} {postfix}",
    )


@dataclass(frozen=True)
class Stage(Generic[T]):
    name: str
    version: int
    makes: type[T]
    run: Callable[..., None]
    judges: tuple[str, ...] = ()
    """Packages whose code the stage runs to judge it: their digests are part of the artifact's key."""
    parallel: bool = False
    """Whether several processes may run it together, as `runtime.processes` says."""
    tell: Callable[["Artifact[T]", Tracker], None] | None = None
    """Says what the artifact holds, whether it was made or read. It may raise, to stop the run."""

    @property
    def judged(self) -> list[str]:
        """Digests of the judged packages."""
        return [package_digest(Path(__file__).parents[1] / package) for package in self.judges]

    @property
    def code_digest(self) -> str:
        """Digest of the stage's package: a hit made by other code is reported (`core/store.py`)."""
        return package_digest(Path(self.run.__code__.co_filename).parent)


def stage(
    version: int,
    makes: type[T],
    name: str,
    judges: tuple[str, ...] = (),
    parallel: bool = False,
    tell: Callable[[Artifact[T], Tracker], None] | None = None,
) -> Callable[[Callable[..., None]], Stage[T]]:
    """Declare a stage. Raise `version` when the meaning of its output changes."""

    def declare(run: Callable[..., None]) -> Stage[T]:
        return Stage(name=name, version=version, makes=makes, run=run, judges=judges, parallel=parallel, tell=tell)

    return declare


@cache
def package_digest(package: Path) -> str:
    total = hashlib.sha256()
    files = [f for f in package.rglob("*") if f.is_file() and "__pycache__" not in f.parts]  # templates, too
    for file in sorted(files):
        total.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()[:16]
