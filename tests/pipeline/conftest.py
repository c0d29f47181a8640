"""A finished run and a finished sweep on the very small city, made once for all tests of this folder.

pytest-xdist's workers share them as its documentation says: the first to ask makes them under a lock.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command import copy_store, last_line, refinepoi
from filelock import FileLock
from small import SMALL


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` of this test run; `make` fills it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)  # a worker failed here
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Working folder, run folder and console of one whole run. Tests may add to its store."""

    def make(folder: Path) -> None:
        done = refinepoi(folder, *SMALL)
        (folder / "console").write_text(done.stdout + done.stderr, encoding="utf-8")
        (folder / "run").write_text(str(last_line(done)), encoding="utf-8")

    folder = once(tmp_path_factory, "first", make)
    run, console = ((folder / name).read_text(encoding="utf-8") for name in ("run", "console"))
    return folder, Path(run), console


@pytest.fixture(scope="session")
def swept(first: tuple[Path, Path, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Working folder and sweep folder of two reward weights that began with the store of `first`, then moved away."""

    def make(folder: Path) -> None:
        copy_store(first[0] / "artifacts", folder / "artifacts")
        done = refinepoi(folder, *SMALL, "-m", "reward.weights.rank=0.5,4", "tracking=off")
        (folder / "sweep").write_text(str(last_line(done)), encoding="utf-8")
        (folder / "artifacts").rename(folder / "gone")

    folder = once(tmp_path_factory, "swept", make)
    return folder, Path((folder / "sweep").read_text(encoding="utf-8"))
