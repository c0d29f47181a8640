"""One rank: the stage's function with a Context that knows its rank. Its console goes to `rank-<r>.log`.

The parent asks the ranks to stop by a file: a batch system may have signalled them, too, and a second signal would not
let them save. A rank that is told to stop and does leaves a file `left-<r>`, one that fails an `error-<r>.json`; the
others are ended by the launcher. Each rank ends itself when the parent is gone, however that died: two attempts must
never write into one folder.
"""

import fcntl
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from refinepoi.core import interruption
from refinepoi.core.errors import DataError, UserError
from refinepoi.core.resources import peak_mb, reset_peak
from refinepoi.core.runtime import prepare_process
from refinepoi.core.stage import Context
from refinepoi.core.tracking import StageLog
from refinepoi.processes.events import EventBar, EventLog, Events, EventTracker
from refinepoi.processes.job import Job, read_job

if TYPE_CHECKING:
    from tqdm import tqdm

PARENT = "parent.lock"
EVENTS = "events.jsonl"
STOP = "stop"
LEFT = "left-{}"
"""Of a rank that was told to stop and does."""


@dataclass(frozen=True, kw_only=True)
class RankContext(Context):
    events: Events

    def progress(self, items: Iterable[Any] | None = None, total: int | None = None, unit: str = "it") -> "tqdm[Any]":
        return cast("tqdm[Any]", EventBar(self.events, items, total, unit))


def main(place: Path) -> None:
    """place: the job folder."""
    rank = int(os.environ["RANK"])
    _end_with_parent(place / PARENT)
    _console_to(place / f"rank-{rank}.log")
    try:
        with interruption.listening():
            _stop_when_told(place / STOP)
            _run(read_job(place), place, rank)
    except SystemExit:
        (place / LEFT.format(rank)).touch()
        raise
    except Exception as error:
        known = isinstance(error, UserError | DataError)
        told = {"kind": type(error).__name__, "text": str(error), "known": known}
        (place / f"error-{rank}.json").write_text(json.dumps(told), encoding="utf-8")
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # not through the libraries' exit handlers: they would wait for the other ranks


def _run(job: Job, place: Path, rank: int) -> None:
    prepare_process()
    import torch.distributed
    from accelerate import PartialState

    processes = int(os.environ["WORLD_SIZE"])
    PartialState(cpu=job.runtime.device == "cpu" or not torch.cuda.is_available())
    events = Events(place / EVENTS if rank == 0 else None)
    logging.captureWarnings(True)
    logging.getLogger("refinepoi").addHandler(EventLog(events))
    context = RankContext(
        job.folder,
        job.runtime,
        StageLog(job.stage.name, EventTracker(events)),
        job.stage.name,
        rank=rank,
        processes=processes,
        events=events,
    )
    reset_peak()
    job.stage.run(context, *job.arguments)
    events.tell("cost", values={**context.cost, "memory_mb": round(peak_mb(), 1)})
    if processes > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _console_to(file: Path) -> None:
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)


def _end_with_parent(lock: Path) -> None:
    """The parent holds the lock while it lives, and the kernel frees it however the parent ends."""

    def wait() -> None:
        with open(lock, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _stop_when_told(stop: Path) -> None:
    """Send this process the signal that asks it to save and leave, unless somebody has done so."""

    def watch() -> None:
        while not stop.exists():
            time.sleep(0.2)
        if not interruption.asked():
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
