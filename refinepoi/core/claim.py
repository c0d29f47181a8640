"""Whose a partial folder is: one process works in it at a time, with or without locks that work.

The claim is a file beside the folder, made exclusively, touched while its owner lives and removed when it leaves. Who
finds a living claim works in a folder of its own; a claim whose process is gone, or that nobody has touched for a while
(another machine), is taken over together with what lies in the folder.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BEAT_SECONDS = 10.0
DEAD_SECONDS = 60.0


@contextmanager
def claimed(partial: Path) -> Iterator[Path]:
    """The folder to work in, made if it is not there: `partial`, or one of this process's own."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    if not _claim(_file(partial)):
        partial = partial.with_name(f"{partial.name}-{uuid.uuid4().hex[:8]}")
        _claim(_file(partial))
    file, left = _file(partial), threading.Event()
    beating = threading.Thread(target=_beat, args=(file, left), daemon=True)
    beating.start()
    try:
        partial.mkdir(exist_ok=True)
        yield partial
    finally:
        left.set()
        beating.join()
        file.unlink(missing_ok=True)


def _file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.owner")


def _claim(file: Path) -> bool:
    """Whether `file` is now ours. Its name appears with its content, by one hard link."""
    mine = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    mine.write_text(f"{socket.gethostname()} {os.getpid()}", encoding="utf-8")
    try:
        for _ in range(2):
            try:
                os.link(mine, file)
                return True
            except FileExistsError:
                if not _is_dead(file):
                    return False
                aside = file.with_name(f".{file.name}.{uuid.uuid4().hex}.dead")
                try:
                    os.rename(file, aside)  # of several who find it dead, one gets it
                except FileNotFoundError:
                    continue
                aside.unlink(missing_ok=True)
        return False
    finally:
        mine.unlink(missing_ok=True)


def _is_dead(file: Path) -> bool:
    try:
        host, _, pid = file.read_text(encoding="utf-8").partition(" ")
        age = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return True  # its owner has just left
    if host != socket.gethostname():
        return age > DEAD_SECONDS
    return pid != str(os.getpid()) and not _alive(pid)


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _beat(file: Path, left: threading.Event) -> None:
    while not left.wait(BEAT_SECONDS):
        try:
            os.utime(file)
        except OSError:
            return
