"""The command line as users call it: a process of its own, in a folder of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def refinepoi(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """check: whether it must do its work; without, it may refuse."""
    command = [sys.executable, "-m", "refinepoi", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def last_line(done: subprocess.CompletedProcess[str]) -> Path:
    """The folder that a command names at its end: of its run, its sweep or its answers."""
    return Path(done.stdout.splitlines()[-1])


def copy_store(store: Path, copy: Path) -> None:
    """What is finished; another worker may be at work on the rest."""
    shutil.copytree(store, copy, ignore=shutil.ignore_patterns(".*"))
