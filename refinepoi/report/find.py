"""Run folders: a folder that holds `config.yaml`. Imports nothing heavy, so that wrong folders are refused at once."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from refinepoi.core.errors import UserError

CONFIG = "config.yaml"
DEPTH = 4  # sweeps/NAME/STAMP/JOB, seen from the folder that holds sweeps/


def run_folders(names: Sequence[str]) -> list[Path]:
    """
    The run folders that some names mean, absolute, each once, jobs in the order of their numbers.

    names: a run folder, a folder with runs below it (a sweep, `runs/nyc`), or a glob of either. Raises `UserError`
    where a name means no run.
    """
    found: dict[Path, None] = {}
    for name in names:
        places = [name] if Path(name).exists() else sorted(glob.glob(os.path.expanduser(name)), key=_natural)
        if not places:
            raise UserError(f"{name}: no such folder (in {Path.cwd()})")
        runs = [run for place in places for run in _below(Path(place).absolute())]
        if not runs:
            raise UserError(f"{name}: neither a run nor a sweep; a run folder holds {CONFIG}")
        found |= dict.fromkeys(runs)
    return list(found)


def _below(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Run folders at or below a folder; what lies inside a run is not looked at."""
    if (folder / CONFIG).is_file():
        yield folder
    elif folder.is_dir() and depth:
        for inner in sorted((f for f in folder.iterdir() if f.is_dir()), key=lambda f: _natural(f.name)):
            if not inner.name.startswith("."):
                yield from _below(inner, depth - 1)


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Job 10 comes after job 9."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text)]
