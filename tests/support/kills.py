"""Killing a stage for good (SIGKILL) at chosen moments, starting it again, and comparing what it leaves.

Attempts are forked from a server that has imported the heavy libraries once, so a start costs no imports.
"""

import hashlib
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from runtimes import runtime

from refinepoi.core.spec import Spec
from refinepoi.core.stage import Artifact, Context, Stage
from refinepoi.core.tracking import StageLog
from refinepoi.processes.job import read_job, write_job
from refinepoi.training import watch
from refinepoi.training.checkpoints import COMPLETE

DWELL = 0.5
Moment = Callable[[Path, float], bool]
"""From the work folder and the seconds since the start to whether the process dies now."""


def attempt(folder: str, dwell: float) -> None:
    """dwell: seconds between writing a folder and declaring it whole, so that a kill meets it there for certain."""
    for name in ("mark_complete", "replace_folder"):
        setattr(watch, name, partial(_late, getattr(watch, name), dwell))
    job = read_job(Path(folder))
    job.stage.run(_context(job.folder, job.stage), *job.arguments)


def _late(function: Callable[..., None], dwell: float, *arguments: Any) -> None:
    time.sleep(dwell)
    function(*arguments)


def _context(folder: Path, stage: Stage[Any]) -> Context:
    return Context(folder, runtime(micro_batch=8), StageLog(stage.name), stage.name)


class Victim:
    def __init__(self, stage: Stage[Any], arguments: Sequence[Spec | Artifact[Any]], root: Path) -> None:
        self.stage, self.arguments, self.root = stage, arguments, root
        self.server = multiprocessing.get_context("forkserver")
        self.server.set_forkserver_preload(["kills", f"{stage.run.__module__.rpartition('.')[0]}.train"])
        self.whole = self._folder("whole")
        self._start(self.whole).join()  # the server's imports
        self.whole = self._folder("again")
        process, began, trains = self._start(self.whole), time.monotonic(), 0.0
        while process.is_alive():
            trains = trains or (time.monotonic() if _trains(self.whole / ".work") else 0.0)
            time.sleep(0.002)
        assert process.exitcode == 0
        self.starting, self.training = trains - began, time.monotonic() - trains

    def killed(self, name: str, moment: Moment, dwell: float = 0.0) -> str:
        """Kill a fresh run once, at the moment, and finish it. Returns what it was doing; its bytes are compared."""
        folder = self._folder(name)
        process, began = self._start(folder, dwell), time.monotonic()
        while process.is_alive() and not _now(moment, folder / ".work", time.monotonic() - began):
            time.sleep(0.002)
        process.kill()
        process.join()
        if process.exitcode == 0:
            return "finished"
        doing = _doing(folder / ".work")
        process = self._start(folder)
        process.join()
        assert process.exitcode == 0, name
        assert digest(folder) == digest(self.whole), f"killed while {doing}: other bytes"
        assert not unmarked(folder / ".work"), f"killed while {doing}: half a checkpoint is still there"
        return doing

    def met(self, wanted: str, name: str, moment: Moment) -> None:
        """Kill a run that is `wanted` for certain: where the machine was too busy to look in time, it waits longer."""
        dwells = [DWELL * 2**attempt for attempt in range(4)]
        assert any(self.killed(f"{name}-{dwell:g}", moment, dwell) == wanted for dwell in dwells), wanted

    def killed_within(self, name: str) -> None:
        """Kill a run in the middle of its training; earlier where the machine is faster than it was."""
        parts = [2**attempt for attempt in range(1, 6)]
        assert any(self.killed(f"{name}-{part}", after(self.training / part)) != "finished" for part in parts)

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir()
        write_job(folder, self.stage, _context(folder, self.stage), self.arguments)
        return folder

    def _start(self, folder: Path, dwell: float = 0.0) -> Any:
        process = self.server.Process(target=attempt, args=(str(folder), dwell))
        process.start()
        return process


def _now(moment: Moment, work: Path, elapsed: float) -> bool:
    try:
        return moment(work, elapsed)
    except FileNotFoundError:  # a folder went while it was looked through
        return False


def random_kills(count: int, victim: Victim) -> dict[str, int]:
    """Kill so many runs; how often each was doing what: one before the first step, the others each in its own stretch
    of the time after it. A run that was faster than its moment is not counted, and another moment is drawn."""
    draw, doing = random.Random(0), Counter[str]()
    start = draw.random() * victim.starting
    for attempt in range(4 * count):
        part = float(doing.total() - 1)
        moment: Moment = lambda _, elapsed: elapsed >= start  # noqa: E731
        if doing:
            moment = after((part + draw.random()) / (count - 1) * victim.training)
        if (was := victim.killed(f"random-{attempt}", moment)) != "finished":
            doing[was] += 1
        elif doing:
            victim.training *= 0.9  # the machine is faster than it was
        if doing.total() == count:
            break
    print(dict(doing))
    assert doing.total() == count
    return dict(doing)


def kills_while_saving(victim: Victim) -> None:
    """The first checkpoint, the one that takes the place of an older one, and the best policy."""
    for number in (0, 2):
        victim.met("saving a checkpoint", f"after-{number}", saving_checkpoint(number))
    victim.met("saving the best policy", "best", saving_best(0))


def after(seconds: float) -> Moment:
    """So long after training has begun."""
    began = list[float]()

    def moment(work: Path, elapsed: float) -> bool:
        if not began and _trains(work):
            began.append(elapsed)
        return bool(began) and elapsed - began[0] >= seconds

    return moment


def saving_checkpoint(number: int) -> Moment:
    """While the checkpoint after `number` whole ones is being written (two are kept)."""
    return lambda work, _: len(unmarked(work)) > 0 and len([*work.rglob(COMPLETE)]) >= number


def saving_best(number: int) -> Moment:
    """While a best policy is being written, `number` checkpoints after the start."""
    return lambda work, _: any(work.rglob("partial-best")) and len([*work.rglob(COMPLETE)]) >= number


def unmarked(work: Path) -> list[Path]:
    """Checkpoints without the mark that is written last."""
    return [folder for folder in work.rglob("checkpoint-*") if folder.is_dir() and not (folder / COMPLETE).exists()]


def digest(folder: Path) -> dict[str, str]:
    """sha256 of every file of the policy, its facts among them."""
    files = [*sorted((folder / "model").rglob("*")), folder / "facts.json"]
    assert any(file.suffix == ".safetensors" for file in files)
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files if f.is_file()}


def _trains(work: Path) -> bool:
    """Whether the first validation is over."""
    return any(work.rglob("best-*"))


def _doing(work: Path) -> str:
    if unmarked(work):
        return "saving a checkpoint"
    if any(work.rglob("partial-best")):
        return "saving the best policy"
    if not _trains(work):
        return "starting"
    return "training" if any(work.rglob(COMPLETE)) else "training before the first checkpoint"
