"""Going on, and doing again: `resume=FOLDER` and `reproduce=FOLDER`, both from settings frozen in the folder.

A run is resumed in its own folder, under its own W&B id; what the store has is read, what was half done goes on from
its checkpoints. A sweep is resumed with the words that started it, on another launcher if one is named; jobs that are
done are not run again. Relative paths begin where the first start was.
Code of the user's own (`reward.user`) is executed only if he names its file again: a folder alone names none.
A reproduction makes every artifact anew in a store of its own and compares the digests of all files.
"""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refinepoi.core.errors import UserError
from refinepoi.launching.job import CONFIG, read_outcome, run_job
from refinepoi.launching.record import Record, read_record
from refinepoi.launching.sweep import run_sweep
from refinepoi.report.run_folder import MANIFESTS

if TYPE_CHECKING:
    from refinepoi.experiment import Experiment

CLOCKS = {"curve.json"}  # holds tokens per second: the only file that may differ between two equal runs
LAUNCHER = ("hydra/launcher=", "hydra.launcher.")
OWN_CODE = "reward.user.file="


def resume(name: str, words: list[str], start_hydra: Callable[[], None]) -> int:
    """Go on with a run or a sweep. Settings stay as they were; of further words only a launcher is taken."""
    folder, record = _found(name, "resume")
    os.chdir(record.directory)
    words = _without_own_code("resume", folder, words)
    if record.sweep:
        if not record.points:
            raise UserError(
                f"resume: the points of {folder} were drawn one after another, each from the results before it; start "
                "the same command again: what the store has is not made twice"
            )
        _refuse("resume", [word for word in words if not word.startswith(LAUNCHER)])
        before = [w for w in record.words if not (words and w.startswith(LAUNCHER))]
        return run_sweep(folder, replace(record, words=before + words), start_hydra)
    _refuse("resume", words)
    experiment = _frozen(folder, "resume")
    if read_outcome(folder).get("status") == "done":
        print(f"{folder}: done before; nothing is left to do")
        return 0
    run_job(experiment, folder, record.words, record.group or None)
    return 0 if read_outcome(folder).get("status") == "done" else 1


def reproduce(name: str, words: list[str], stamp: str) -> int:
    """Run the frozen settings from nothing and say, artifact by artifact, whether the same bytes came out."""
    from refinepoi.core.tracking_spec import OffSpec

    folder, record = _found(name, "reproduce")
    if record.sweep:
        raise UserError(f"reproduce: {folder} is a sweep; name one of its jobs, such as {folder / '0'}")
    os.chdir(record.directory)
    _refuse("reproduce", _without_own_code("reproduce", folder, words))
    experiment = _frozen(folder, "reproduce")
    if not (folder / MANIFESTS).is_file():
        raise UserError(f"reproduce: {folder} has no {MANIFESTS}: the run was not finished; resume it first")
    before = json.loads((folder / MANIFESTS).read_text(encoding="utf-8"))
    again = Path("runs").absolute() / experiment.name / f"{stamp}-reproduced"
    again.mkdir(parents=True)
    runtime = experiment.runtime.model_copy(update={"store": str(again / "artifacts"), "refresh": ()})
    changes = {"runtime": runtime, "tracking": OffSpec(kind="off")}
    run_job(experiment.model_copy(update=changes), again, record.words)
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
            packages = ((p, v, new["packages"].get(p)) for p, v in old["packages"].items())
            lines += [f"{'':<24}{p} {then} then, {now} now" for p, then, now in packages if then != now]
            if old.get("code") != new.get("code"):
                lines.append(f"{'':<24}the code of the stage has changed since")
    lines.append("the same bytes" if same else f"not the same (refinepoi {version('refinepoi')})")
    return "\n".join(lines), same


def _found(name: str, command: str) -> tuple[Path, Record]:
    """The folder and its record; a job of a sweep has that of its sweep, as a run of its own."""
    folder = Path(name).expanduser().absolute()
    record = read_record(folder)
    if record is None:
        above = read_record(folder.parent)
        if above is None or not (folder / CONFIG).is_file():
            raise UserError(f"{command}: {folder} is no run or sweep folder of refinepoi; give the path it printed")
        words = above.points[int(folder.name)] if above.points else []
        record = replace(above, sweep=False, points=[], words=words)
    return folder, record


def _frozen(folder: Path, command: str) -> "Experiment":
    from refinepoi.experiment import load_config

    try:
        return load_config((folder / CONFIG).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{command}: {folder / CONFIG} cannot be read ({error.strerror})") from None


def _without_own_code(command: str, folder: Path, words: list[str]) -> list[str]:
    """The words less those that name files of the user's own code again. Raises where a frozen one is not named."""
    import yaml  # type: ignore[import-untyped]

    named = {word.removeprefix(OWN_CODE) for word in words if word.startswith(OWN_CODE)}
    for config in sorted([*folder.glob(CONFIG), *folder.glob(f"*/{CONFIG}")]):
        own = ((yaml.safe_load(config.read_text(encoding="utf-8")) or {}).get("reward") or {}).get("user")
        if own and own["file"] not in named:
            raise UserError(
                f"{command}: {folder} uses code of your own, {own['file']!r}; name it again to let it run: "
                f"refinepoi {command}={folder} {OWN_CODE}{own['file']}"
            )
    return [word for word in words if not word.startswith(OWN_CODE)]


def _refuse(command: str, words: list[str]) -> None:
    if words:
        raise UserError(f"{command}: settings are those of the folder; take {' '.join(words)} away")
