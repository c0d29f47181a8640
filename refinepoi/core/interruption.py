"""Being told to stop: a batch system's signal becomes "save at the next safe step, then leave with code 75".

SIGTERM always, and SIGUSR1 and SIGUSR2 where Slurm or submitit sends them. Outside a training loop there is nothing to
save and the process leaves at once: finished stages are in the store, and the same command goes on from there. Inside
one (`saving`), the trainer asks `asked()`, saves a checkpoint and calls `leave`. A handler that was there before, such
as submitit's, which puts the job back into the queue, is called last. A second signal does not wait.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

STOPPED = 75
"""Exit code of a run that was told to stop and can go on later (EX_TEMPFAIL)."""

_asked: tuple[int, FrameType | None] | None = None
_before: dict[int, Any] = {}
_saving = 0
_leaving = False


@contextmanager
def listening() -> Iterator[None]:
    """Take the signals while a job runs; put the handlers back afterwards."""
    global _asked, _leaving
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only
        return
    _asked, _leaving = None, False
    for number in _signals():
        _before[number] = signal.signal(number, _on_signal)
    try:
        yield
    finally:
        for number, handler in _before.items():
            signal.signal(number, handler)
        _before.clear()


@contextmanager
def saving() -> Iterator[None]:
    """While inside, a signal waits for the trainer to save and `leave`."""
    global _saving
    _saving += 1
    try:
        yield
    finally:
        _saving -= 1


def asked() -> bool:
    """Whether a signal has asked this process to stop."""
    return _asked is not None


def leave() -> NoReturn:
    """Leave now: through the handler that was there before (a requeue), else with code 75."""
    global _leaving
    _leaving = True  # a requeue sends further signals, which must not tear what is written on the way out
    if _asked is not None:
        before = _before.get(_asked[0])
        if callable(before) and before is not signal.default_int_handler:
            before(*_asked)
    raise SystemExit(STOPPED)


def _signals() -> list[int]:
    numbers: list[int] = [signal.SIGTERM]
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        if "SLURM_JOB_ID" in os.environ or callable(signal.getsignal(number)):
            numbers.append(number)
    return numbers


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _asked
    if _leaving:
        return
    again, _asked = _asked is not None, (number, frame)
    if again or not _saving:
        leave()
