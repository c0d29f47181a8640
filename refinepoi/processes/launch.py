"""The parent's side: start the ranks, show what rank 0 reports, hand signals on, say why a rank failed."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from refinepoi.core import interruption
from refinepoi.core.errors import UserError
from refinepoi.core.runtime import Runtime
from refinepoi.core.spec import Spec
from refinepoi.core.stage import Artifact, Context, Stage
from refinepoi.processes.accelerate_config import accelerate_config
from refinepoi.processes.child import EVENTS, LEFT, PARENT, STOP
from refinepoi.processes.events import Replay
from refinepoi.processes.job import write_job

CONFIG = "accelerate.json"
DEAF = ("sh", "-c", 'trap "" TERM USR1 USR2; exec "$@"', "sh")
"""Starts what follows with these signals ignored."""
TAIL = 15
"""Lines of each log that are shown when a job failed."""


def run_stage(stage: Stage[Any], context: Context, arguments: Sequence[Spec | Artifact[Any]]) -> None:
    """Run the stage here, or in several processes where it can and `runtime` asks for it. What `Store.execute` is."""
    runtime = context.runtime
    if not stage.parallel or (runtime.processes == 1 and runtime.strategy.kind == "ddp"):
        stage.run(context, *arguments)
        return
    require_devices(runtime)
    jobs = context.work / "processes"
    shutil.rmtree(jobs, ignore_errors=True)  # of earlier attempts, whose ranks ended with their parent
    place = jobs / uuid.uuid4().hex[:8]
    place.mkdir(parents=True)
    write_job(place, stage, context, arguments)
    (place / CONFIG).write_text(json.dumps(accelerate_config(runtime), indent=1), encoding="utf-8")
    replay = Replay(place / EVENTS, context)
    try:
        with interruption.saving(), _alive(place / PARENT), _started(place, runtime) as launcher:
            while launcher.poll() is None:
                if interruption.asked():
                    (place / STOP).touch()
                replay()
                time.sleep(0.1)
        replay()
    finally:
        replay.close()
    if interruption.asked() and not _broke(place):
        interruption.leave()
    if launcher.returncode:
        raise _failure(place, launcher.returncode)


def require_devices(runtime: Runtime) -> None:
    """Raises UserError where the machine cannot run these processes."""
    import torch

    gpus = 0 if runtime.device == "cpu" else torch.cuda.device_count()
    kind, wanted = runtime.strategy.kind, runtime.processes
    if kind == "deepspeed" and find_spec("deepspeed") is None:
        raise UserError("runtime.strategy: deepspeed is not installed; install it, or give runtime/strategy=fsdp")
    if kind != "ddp" and not gpus:
        raise UserError(f"runtime.strategy: {kind} needs GPUs and there are none; give runtime/strategy=ddp")
    if gpus and wanted > gpus:
        raise UserError(f"runtime.processes: {wanted}, and there are {gpus} GPUs; give runtime.processes={gpus}")


@contextmanager
def _alive(lock: Path) -> Iterator[None]:
    with open(lock, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _started(place: Path, runtime: Runtime) -> Iterator["subprocess.Popen[bytes]"]:
    """The launcher, deaf to what a batch system sends to all processes of a job: the ranks are to save first.

    If it is still there at the end it is killed, and its ranks end by the lock.
    """
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(place / CONFIG)]
    package = str(Path(__file__).parents[2])
    threads = _threads(os.environ.get("OMP_NUM_THREADS", ""))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")])),
        "OMP_NUM_THREADS": str(max(1, threads // runtime.processes)),
        "PET_SIGNALS_TO_HANDLE": "SIGINT",  # torchrun's own setting: it would end the ranks at once
    }
    with open(place / "launcher.log", "wb") as log:
        launcher = subprocess.Popen(
            [*DEAF, *command, "--module", "refinepoi.processes", str(place)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True,
        )  # fmt: skip
    try:
        yield launcher
    finally:
        if launcher.poll() is None:
            launcher.kill()
            launcher.wait()


def _threads(setting: str) -> int:
    """The first of a list such as "4,2", one for each level of nesting; 1 where OpenMP would not read it either."""
    first = setting.partition(",")[0].strip()
    return int(first) if first.isdecimal() else 1


def _broke(place: Path) -> bool:
    """Whether a rank failed before any left because it was told to.

    Those that see another leave may fail over it, and those that see another fail are told to leave: the first counts.
    """
    ends = [*place.glob("error-*.json"), *place.glob(LEFT.format("*"))]
    return bool(ends) and min(ends, key=lambda file: file.stat().st_mtime_ns).name.startswith("error-")


def _failure(place: Path, code: int) -> Exception:
    """Why the job failed: the words of the rank that failed first, and the end of all logs, which may know better.

    When a rank is killed it says nothing, and the others complain that it does not answer.
    """
    errors = sorted(place.glob("error-*.json"), key=lambda file: file.stat().st_mtime_ns)
    said = f"the processes ended with code {code} (killed, or out of memory?)"
    for file in reversed(errors):
        error = json.loads(file.read_text(encoding="utf-8"))
        if error["known"]:
            return UserError(error["text"])
        said = f"rank {file.stem.rpartition('-')[2]}: {error['kind']}: {error['text']}"
    logs = [place / "launcher.log", *sorted(place.glob("rank-*.log"))]
    return RuntimeError("\n".join([said, *(f"{log.stem}:\n{_tail(log)}" for log in logs if log.stat().st_size)]))


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"  {line}" for line in lines[-TAIL:])
