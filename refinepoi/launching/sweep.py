"""A sweep as a folder: its plan and frozen settings before, a line for each job that ends, one table of all at the end.

    sweeps/<name>/<stamp>/sweep.json         the words that started it, its plan
    sweeps/<name>/<stamp>/<n>/config.yaml    settings of job n, frozen at the start
    sweeps/<name>/<stamp>/<n>/outcome.json   how it ended

Jobs are watched through these files, so it makes no difference whether they run here, in other processes or on other
machines that share the folder.
"""

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from refinepoi.launching.job import freeze, read_outcome

SWEEP = "sweep.json"
POLL_SECONDS = 0.5


def freeze_sweep(folder: Path, words: Sequence[str], name: str, plan: Any) -> None:
    """Write what a resumed sweep needs: the words, the plan, each job's settings. plan: `plan.Plan`, or None."""
    from refinepoi.core.store import write_durably
    from refinepoi.launching.plan import to_json

    record = {"words": list(words), "sweep": name, "plan": json.loads(to_json(plan)) if plan else None}
    for number, job in enumerate(plan.jobs if plan else ()):
        (folder / str(number)).mkdir(exist_ok=True)
        freeze(folder / str(number), job.experiment)
    write_durably(folder / SWEEP, json.dumps(record, indent=1))


def read_sweep(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
    return record


def outcomes(folder: Path, jobs: int | None) -> list[dict[str, Any]]:
    """One for each job; jobs: how many there are (None: as many as there are folders)."""
    if jobs is None:
        jobs = sum(f.name.isdigit() for f in folder.iterdir()) if folder.is_dir() else 0
    return [read_outcome(folder / str(number)) or {"status": "missing"} for number in range(jobs)]


@contextmanager
def watched(folder: Path, jobs: int | None) -> Iterator[None]:
    """Say, while the sweep runs, each job that ends, how many are left and which is best so far."""
    stop = threading.Event()
    seen = {n for n, outcome in enumerate(outcomes(folder, jobs)) if outcome["status"] == "done"}
    start, done_before = time.monotonic(), len(seen)

    def look() -> None:
        while True:
            last = stop.wait(POLL_SECONDS)
            found = outcomes(folder, jobs)
            for number, outcome in enumerate(found):
                if number not in seen and outcome["status"] not in ("running", "missing"):
                    seen.add(number)
                    _say(_progress(number, found, time.monotonic() - start, len(seen) - done_before))
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
    rows = [("job", "status", "val. MRR", "Acc@1", "Acc@10", "MRR", "overrides")]
    overrides = [outcome.get("overrides", []) for outcome in found]
    started = [words for words in overrides if words]
    common = [word for word in started[0] if all(word in words for words in started)] if len(started) > 1 else []
    notes = [f"all jobs: {' '.join(common)}"] if common else []
    for number, outcome in enumerate(found):
        value, metrics = objective(outcome), outcome.get("metrics", {})
        shown = "" if value is None else f"{value:.4f}{'*' if number == best else ' '}"
        cells = [f"{metrics[name]:.4f}" if name in metrics else "" for name in ("Acc@1", "Acc@10", "MRR")]
        own = " ".join(word for word in overrides[number] if word not in common)
        rows.append((str(number), outcome["status"], shown, *cells, own))
        if outcome["status"] == "failed":
            notes.append(f"job {number}: {_first_line(outcome.get('error', ''))}\n      {outcome.get('log', folder)}")
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ["  ".join([*(cell.rjust(w) for cell, w in zip(row, widths, strict=False)), row[6]]) for row in rows]
    lines.append("* best by validation MRR; the other columns are of the test split and are not for choosing")
    missing = [n for n, o in enumerate(found) if o["status"] != "done"]
    if missing:
        notes.append(f"{len(missing)} of {len(found)} jobs are not done; go on with: refinepoi resume={folder}")
    return "\n".join(lines + notes), len(missing)


def _first_line(text: str) -> str:
    lines = text.splitlines()
    return lines[0][:200] if lines else "no message"
