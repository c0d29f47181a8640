"""The entry point: compose -> validate and plan every job -> Hydra -> `launching/job.py` -> `pipeline.<goal>`.

`refinepoi` and `python -m refinepoi` both come here. Three words are commands and not settings: `plan=true` shows what
would be done, `resume=FOLDER` goes on with a run or sweep, `reproduce=FOLDER` redoes a run and compares its files.
Exit codes: 0 done, 1 a job failed (or a reproduction differs), 2 refused before anything was started, 75 stopped by a
signal and resumable, 130 interrupted.
"""

import os
import secrets
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from refinepoi.core.errors import UserError
from refinepoi.core.folders import config_root

if TYPE_CHECKING:
    from refinepoi.launching.composition import Launch
    from refinepoi.launching.plan import Plan

HYDRA_FLAGS = ("--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc", "--version", "--resolve")
MULTIRUN = ("-m", "--multirun")
COMMANDS = ("plan", "resume", "reproduce")


def main() -> None:
    words = sys.argv[1:]
    if {"--help", "-h"} & set(words):
        from refinepoi.launching.help_page import help_page

        print(help_page())
        return
    commands = dict(word.split("=", 1) for word in words if word.split("=")[0] in COMMANDS and "=" in word)
    words = [word for word in words if word.split("=")[0] not in COMMANDS or "=" not in word]
    os.environ["REFINEPOI_STAMP"] = _stamp()
    if any(word.split("=")[0] in HYDRA_FLAGS for word in words):
        sys.argv[1:] = words
        _hydra_main()
        return
    try:
        sys.exit(_command(commands, words))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _command(commands: dict[str, str], words: list[str]) -> int:
    if len(commands) > 1:
        raise UserError(f"{' and '.join(commands)} are commands: give one of them")
    if "resume" in commands:
        from refinepoi.launching.again import resume

        return resume(Path(commands["resume"]), words, _sweep)
    if "reproduce" in commands:
        from refinepoi.launching.again import reproduce

        return reproduce(Path(commands["reproduce"]), words)
    if commands.get("plan", "false") not in ("true", "false"):
        raise UserError(f"plan: true or false (got {commands['plan']!r})")
    launch, plan = _checked(words)
    if commands.get("plan") == "true":
        from refinepoi.launching.plan import plan_table

        print(plan_table(plan))
        print("nothing was started; leave plan=true out to start it")
        return 0
    folder = _make_folder(launch)
    if not launch.multirun:
        from refinepoi.launching.job import freeze

        freeze(folder, launch.jobs[0].experiment)
        sys.argv[1:] = [*words, f"hydra.run.dir={folder}"]
        _hydra_main()
        return 0
    from refinepoi.launching.sweep import freeze_sweep

    print(f"sweep of {len(plan.jobs)} jobs" if launch.enumerated else "sweep whose points are drawn one after another")
    for overrides, same in plan.dropped:
        print(f"dropped: {overrides} comes to the same as job {same}")
    freeze_sweep(folder, words, launch.sweep, plan if launch.enumerated else None)
    points = [job.overrides for job in plan.jobs] if launch.enumerated else []
    return _sweep(folder, words, launch.sweep, points)


def _checked(words: list[str]) -> "tuple[Launch, Plan]":
    """Every job validated and planned. Raises UserError with every problem on its own line."""
    from refinepoi.launching.composition import check
    from refinepoi.launching.plan import plan

    flags = [word for word in words if word.startswith("-")]
    launch = check([w for w in words if not w.startswith("-")], bool(set(MULTIRUN) & set(flags)))
    return launch, plan(launch.jobs)


def _make_folder(launch: "Launch") -> Path:
    """The folder of this run or sweep, made here and now: two starts never share one."""
    try:
        launch.folder.mkdir(parents=True)
    except FileExistsError:
        if any(launch.folder.iterdir()):
            key = "hydra.sweep.dir" if launch.multirun else "hydra.run.dir"
            raise UserError(
                f"{key}: {launch.folder} holds something already; choose another folder, or go on with what is there: "
                f"refinepoi resume={launch.folder}"
            ) from None
    return launch.folder


def _sweep(folder: Path, words: list[str], name: str, points: list[tuple[str, ...]]) -> int:
    """Start or go on with a sweep in `folder`. Jobs that are done there are not run again."""
    from hydra_plugins.refinepoi_sweeper.distinct import DistinctSweeper
    from refinepoi.launching.sweep import sweep_table, watched

    os.environ["REFINEPOI_SWEEP"] = name or folder.name
    DistinctSweeper.points = tuple(points)
    jobs = len(points) or None
    start, code = time.monotonic(), 0
    words = [*words, f"hydra.sweep.dir={folder}", *(["hydra/sweeper=distinct"] if points else [])]
    sys.argv[1:] = sorted(words, key=lambda word: word not in MULTIRUN)  # argparse wants overrides in one piece
    try:
        with watched(folder, jobs):
            _hydra_main()
    except KeyboardInterrupt:
        code = 130
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    text, undone = sweep_table(folder, jobs)
    print(f"\n{text}\n{time.monotonic() - start:.0f} s\n{folder}")
    return code or (1 if undone else 0)


def _hydra_main() -> None:
    import hydra

    from refinepoi.launching.composition import VERSION_BASE, register
    from refinepoi.launching.job import run_hydra_job

    register()
    conf = str(config_root() / "conf")
    hydra.main(version_base=VERSION_BASE, config_path=conf, config_name="config")(run_hydra_job)()


def _stamp() -> str:
    return f"{datetime.now():%Y%m%d-%H%M%S-%f}-{secrets.token_hex(3)}"


if __name__ == "__main__":
    main()
