"""Going on, and doing again: `resume=FOLDER` and `reproduce=FOLDER`, both from settings frozen in the folder.

A run is resumed in its own folder, under its own W&B id; what the store has is read, what was half done goes on from
its checkpoints. A sweep is resumed with the words that started it; jobs that are done are not run again.
A reproduction makes every artifact anew in a store of its own and compares the digests of all files.
"""

import json
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from refinepoi.core.errors import UserError
from refinepoi.launching.job import CONFIG, read_outcome, run_job
from refinepoi.launching.sweep import SWEEP, read_sweep
from refinepoi.report.run_folder import MANIFESTS

CLOCKS = {"curve.json"}  # holds tokens per second: the only file that may differ between two equal runs

StartSweep = Callable[[Path, list[str], str, list[tuple[str, ...]]], int]


def resume(folder: Path, words: list[str], start_sweep: StartSweep) -> int:
    """Go on with a run or a sweep. Settings stay as they were: further words are refused."""
    folder = folder.absolute()
    if (folder / SWEEP).is_file():
        record = read_sweep(folder)
        _no_more_words("resume", words, [w for w in words if w.startswith("hydra")])
        jobs = record["plan"]["jobs"] if record["plan"] else []
        return start_sweep(folder, record["words"] + words, record["sweep"], [tuple(j["overrides"]) for j in jobs])
    experiment = _frozen(folder, "resume")
    _no_more_words("resume", words)
    if read_outcome(folder).get("status") == "done":
        print(f"{folder}: done before; nothing is left to do")
        return 0
    sweep = folder.parent.name if (folder.parent / SWEEP).is_file() else None
    run_job(experiment, folder, list(read_outcome(folder).get("overrides", [])), sweep)
    return 0 if read_outcome(folder).get("status") == "done" else 1


def reproduce(folder: Path, words: list[str]) -> int:
    """Run the frozen settings from nothing and say, artifact by artifact, whether the same bytes came out."""
    folder = folder.absolute()
    experiment = _frozen(folder, "reproduce")
    _no_more_words("reproduce", words)
    if not (folder / MANIFESTS).is_file():
        raise UserError(f"reproduce: {folder} has no {MANIFESTS}: the run was not finished; resume it first")
    before = json.loads((folder / MANIFESTS).read_text(encoding="utf-8"))
    again = Path(tempfile.mkdtemp(prefix="reproduced-", dir=folder.parent))
    runtime = experiment.runtime.model_copy(update={"store": str(again / "artifacts"), "refresh": ()})
    run_job(experiment.model_copy(update={"runtime": runtime}), again, [])
    after = json.loads((again / MANIFESTS).read_text(encoding="utf-8"))
    text, same = compare(before, after)
    (again / "reproduction.txt").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0 if same else 1


def compare(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, bool]:
    """name -> manifest of two runs. Returns a line for each artifact and whether all agree."""
    lines, same = [], True
    for name, old in before.items():
        new = after.get(name, {"files": {}, "packages": {}, "key": ""})
        files = old["files"].keys() | new["files"].keys()
        differing = sorted(f for f in files - CLOCKS if old["files"].get(f) != new["files"].get(f))
        same &= not differing
        lines.append(f"{name:<24}{'identical' if not differing else 'differs: ' + ', '.join(differing)}")
        if differing:
            lines += [f"{'':<24}{package} {v} then, {new['packages'].get(package)} now"
                      for package, v in old["packages"].items() if new["packages"].get(package) != v]  # fmt: skip
            if old.get("code") != new.get("code"):
                lines.append(f"{'':<24}the code of the stage has changed since")
    lines.append("the same bytes" if same else f"not the same (refinepoi {version('refinepoi')})")
    return "\n".join(lines), same


def _frozen(folder: Path, command: str) -> Any:
    from refinepoi.experiment import load_config

    if not (folder / CONFIG).is_file():
        raise UserError(f"{command}: {folder} is no run or sweep folder (no {CONFIG}, no {SWEEP})")
    return load_config((folder / CONFIG).read_text(encoding="utf-8"))


def _no_more_words(command: str, words: list[str], allowed: list[str] | None = None) -> None:
    refused = [word for word in words if word not in (allowed or [])]
    if refused:
        raise UserError(f"{command}: settings are those of the folder; take {' '.join(refused)} away")
