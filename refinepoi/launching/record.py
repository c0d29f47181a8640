"""`launch.json` of a run or sweep folder: the words, the directory and the plan it was started with.

Resuming reads everything from it, and so does the sweeper, so that a resumed sweep has the same jobs under the same
numbers wherever and by whatever launcher it goes on.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from refinepoi.core.errors import UserError

RECORD = "launch.json"
LOCK = ".lock"


@dataclass(frozen=True)
class Record:
    """
    words: of the command line, without commands. directory: where it was started; relative paths begin there.
    points: overrides of each job of a sweep; empty where another sweeper draws them. sweep: whether it is one.
    group: what W&B groups the jobs by.
    """

    words: list[str]
    directory: str
    sweep: bool
    group: str
    points: list[list[str]]
    dropped: list[list[Any]]

    def write(self, folder: Path) -> None:
        from refinepoi.core.store import write_durably

        write_durably(folder / RECORD, json.dumps(asdict(self), indent=1))


def read_record(folder: Path) -> Record | None:
    """None where the folder holds none."""
    try:
        return Record(**json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{folder / RECORD} cannot be read ({error}); start again with the same command") from None


@contextmanager
def occupied(folder: Path) -> Iterator[None]:
    """Hold `folder` while something runs in it. Raises UserError where another process does."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{folder} is being run by another process; wait for it, or stop it first") from None
    try:
        yield
    finally:
        lock.release()
