"""A sweep as a folder: its plan and frozen settings before, a line for each job that ends, one table of all at the end.

    sweeps/<name>/<stamp>/launch.json        what started it, its jobs (`record.py`)
    sweeps/<name>/<stamp>/<n>/config.yaml    settings of job n, frozen at the start
    sweeps/<name>/<stamp>/<n>/outcome.json   how it ended

Jobs are watched through these files, so it makes no difference whether they run here, in other processes or on other
machines that share the folder.
"""

import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from refinepoi.launching.job import OUTCOME, freeze, read_outcome
from refinepoi.launching.record import Record, occupied

POLL_SECONDS = 0.5
OBJECTIVE = "val. MRR"
_FORMAT = {OBJECTIVE: ".4f", "Acc@1": ".4f", "Acc@10": ".4f", "MRR": ".4f"}
FLAGS = ("-m", "--multirun")


def freeze_jobs(folder: Path, jobs: Sequence[Any]) -> None:
    """Write each job's settings into its folder. jobs: `composition.Job`s."""
    for number, job in enumerate(jobs):
        (folder / str(number)).mkdir()
        freeze(folder / str(number), job.experiment)


def run_sweep(folder: Path, record: Record, start_hydra: Callable[[], None]) -> int:
    """Start or go on with the sweep in `folder`; jobs that are done there are not run again. Returns the exit code."""
    jobs = len(record.points) or None
    print(f"sweep of {jobs} jobs" if jobs else "sweep whose points are drawn one after another")
    words = [*record.words, f"hydra.sweep.dir={quoted(folder)}", *(["hydra/sweeper=distinct"] if jobs else [])]
    sys.argv[1:] = sorted(words, key=lambda word: word not in FLAGS)  # argparse wants overrides in one piece
    start, code = time.monotonic(), 0
    with occupied(folder):
        try:
            with watched(folder, jobs):
                start_hydra()
        except KeyboardInterrupt:
            code = 130
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
    text, undone = sweep_table(folder, jobs)
    print(f"\n{text}\n{time.monotonic() - start:.0f} s\n{folder}")
    return code or (1 if undone else 0)


def quoted(folder: Path) -> str:
    """A path as a value in Hydra's grammar."""
    text = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def outcomes(folder: Path, jobs: int | None) -> list[dict[str, Any]]:
    """One for each job; jobs: how many there are (None: as many as there are folders)."""
    if jobs is None:
        jobs = sum(f.name.isdigit() for f in folder.iterdir()) if folder.is_dir() else 0
    return [read_outcome(folder / str(number)) or {"status": "missing"} for number in range(jobs)]


@contextmanager
def watched(folder: Path, jobs: int | None) -> Iterator[None]:
    """Say, while the sweep runs, each job that ends, how many are left and which is best so far."""
    stop = threading.Event()
    said: dict[int, str] = {}
    for number, outcome in enumerate(outcomes(folder, jobs)):
        if outcome["status"] == "done":
            said[number] = "done"
        else:  # of an earlier start: the job is run again
            (folder / str(number) / OUTCOME).unlink(missing_ok=True)
    start, done_before = time.monotonic(), len(said)

    def look() -> None:
        while True:
            last = stop.wait(POLL_SECONDS)
            found = outcomes(folder, jobs)
            for number, outcome in enumerate(found):
                status = outcome["status"]
                if status not in ("running", "missing", said.get(number)):  # a requeued job ends more than once
                    said[number] = status
                    _say(_progress(number, found, time.monotonic() - start, len(said) - done_before))
            if last:
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _say(line: str) -> None:
    from tqdm import tqdm

    tqdm.write(line)


def _progress(number: int, found: list[dict[str, Any]], seconds: float, ended: int) -> str:
    """`job 3 done, validation MRR 0.431 | 4 of 9 done, 1 running, 0 failed | best 0.445 (job 1) | about 6 min left`"""
    outcome, counts = found[number], Counter(o["status"] for o in found)
    value = objective(outcome)
    parts = [f"job {number} {outcome['status']}" + ("" if value is None else f", validation MRR {value:.4f}")]
    parts.append(f"{counts['done']} of {len(found)} done, {counts['running']} running, {counts['failed']} failed")
    best = best_job(found)
    if best is not None:
        parts.append(f"best {objective(found[best]):.4f} (job {best})")
    left = counts["running"] + counts["missing"]
    if left and ended:
        rest = seconds / ended * left
        parts.append(f"about {rest:.0f} s left" if rest < 90 else f"about {rest / 60:.0f} min left")
    return " | ".join(parts)


def objective(outcome: dict[str, Any]) -> float | None:
    value = outcome.get("objective")
    return value if isinstance(value, float) and math.isfinite(value) else None


def best_job(found: Sequence[dict[str, Any]]) -> int | None:
    """The job of the highest validation MRR; None where no job has one."""
    values = {number: value for number, outcome in enumerate(found) if (value := objective(outcome)) is not None}
    return max(values, key=lambda number: values[number], default=None)


def sweep_table(folder: Path, jobs: int | None) -> tuple[str, int]:
    """One line a job: its result, or its error and where the log is. Returns the text and how many are not done."""
    found = outcomes(folder, jobs)
    best = best_job(found)
    overrides = [outcome.get("overrides", []) for outcome in found]
    started = [words for words in overrides if words]
    common = [word for word in started[0] if all(word in words for words in started)] if len(started) > 1 else []
    notes = [f"all jobs: {' '.join(common)}"] if common else []
    names = _columns(found)
    rows = [["job", "status", *names, "overrides"]]
    for number, outcome in enumerate(found):
        values = outcome.get("metrics", {}) | {OBJECTIVE: objective(outcome)}
        cells = ["" if values.get(name) is None else f"{values[name]:{_FORMAT.get(name, '.3g')}}" for name in names]
        if number == best:
            cells[0] += "*"
        own = " ".join(word for word in overrides[number] if word not in common)
        rows.append([str(number), outcome["status"], *cells, own])
        if outcome["status"] == "failed":
            notes.append(f"job {number}: {_first_line(outcome.get('error', ''))}\n      {outcome.get('log', folder)}")
    widths = [max(len(row[column]) for row in rows) for column in range(len(names) + 2)]
    padded = ([cell.rjust(w) for cell, w in zip(row, widths, strict=False)] for row in rows)
    lines = ["  ".join([*cells, row[-1]]) for cells, row in zip(padded, rows, strict=True)]
    if best is not None:
        lines.append("* best by validation MRR; the other columns are of the test split and are not for choosing")
    missing = [n for n, o in enumerate(found) if o["status"] != "done"]
    if missing:
        notes.append(f"{len(missing)} of {len(found)} jobs are not done; go on with: refinepoi resume={folder}")
    return "\n".join(lines + notes), len(missing)


def _columns(found: Sequence[dict[str, Any]]) -> list[str]:
    """Validation MRR and the usual metrics; where jobs stop earlier, what they measured, such as the quality of IDs."""
    measured = list(dict.fromkeys(name for outcome in found for name in outcome.get("metrics", {})))
    if any("MRR" in outcome.get("metrics", {}) for outcome in found):
        return [name for name in _FORMAT if name in (OBJECTIVE, *measured)]
    return measured


def _first_line(text: str) -> str:
    lines = text.splitlines()
    return lines[0][:200] if lines else "no message"
