"""The entry point: compose -> validate and plan every job -> Hydra -> `launching/job.py` -> `pipeline.<goal>`.

`refinepoi` and `python -m refinepoi` both come here. Three words are commands and not settings: `plan=true` shows what
would be done, `resume=FOLDER` goes on with a run or sweep, `reproduce=FOLDER` redoes a run and compares its files.
Exit codes: 0 done, 1 a job failed (or a reproduction differs), 2 refused before anything was started, 75 stopped by a
signal and resumable, 130 interrupted. What only prints dies of a closed pipe as other tools do (141 in the shell).
"""

import os
import secrets
import signal
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

VIEWS = ("--cfg", "-c", "--info", "-i", "--shell-completion", "-sc")
HYDRA_FLAGS = (*VIEWS, "--hydra-help", "--version", "--resolve")
MULTIRUN = ("-m", "--multirun")
COMMANDS = ("plan", "resume", "reproduce")


def main() -> None:
    words = sys.argv[1:]
    if {"--help", "-h"} & set(words):
        from refinepoi.launching.help_page import help_page

        _end_with_the_pipe()
        print(help_page())
        return
    commands = dict(word.split("=", 1) for word in words if word.split("=")[0] in COMMANDS and "=" in word)
    words = [word for word in words if word.split("=")[0] not in COMMANDS or "=" not in word]
    os.environ["REFINEPOI_STAMP"] = _stamp()
    os.environ["REFINEPOI_STARTED"] = str(time.time())
    try:
        if any(word.split("=")[0] in HYDRA_FLAGS for word in words):
            _require_one_view(words)
            _end_with_the_pipe()
            sys.argv[1:] = words
            _hydra_main()
            return
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

        return resume(commands["resume"], words, _hydra_main)
    if "reproduce" in commands:
        from refinepoi.launching.again import reproduce

        return reproduce(commands["reproduce"], words, os.environ["REFINEPOI_STAMP"])
    if commands.get("plan", "false") not in ("true", "false"):
        raise UserError(f"plan: true or false (got {commands['plan']!r})")
    from refinepoi.launching.record import Record
    from refinepoi.launching.sweep import freeze_jobs, quoted, run_sweep

    launch, plan = _checked(words)
    if commands.get("plan") == "true":
        from refinepoi.launching.plan import plan_table

        _end_with_the_pipe()
        print(plan_table(plan, launch.enumerated))
        print("nothing was started; leave plan=true out to start it")
        return 0
    folder = _make_folder(launch)
    if not launch.multirun:
        from refinepoi.launching.job import freeze

        freeze(folder, launch.jobs[0].experiment)
        Record(words, str(Path.cwd()), False, "", [], []).write(folder)
        sys.argv[1:] = [*words, f"hydra.run.dir={quoted(folder)}"]
        _hydra_main()
        return 0
    for overrides, same in plan.dropped:
        print(f"dropped: {overrides} comes to the same as job {same}")
    points = [list(job.overrides) for job in plan.jobs] if launch.enumerated else []
    dropped = [list(point) for point in plan.dropped]
    group = f"{launch.sweep or launch.jobs[0].experiment.name}-{folder.name}"
    record = Record(words, str(Path.cwd()), True, group, points, dropped)
    freeze_jobs(folder, plan.jobs if launch.enumerated else ())
    record.write(folder)
    return run_sweep(folder, record, _hydra_main)


def _require_one_view(words: list[str]) -> None:
    """Hydra's flags that show something show one composition, and one thing at a time."""
    shown = [word for word in words if word.split("=")[0] in VIEWS]
    if shown and set(words) & set(MULTIRUN):
        raise UserError(f"{shown[0]}: shows one composition, not a sweep; leave -m out, or see its jobs with plan=true")
    if len(shown) > 1:
        raise UserError(f"{' and '.join(shown)}: give one of them")
    if "--resolve" in words and not any(word.startswith(("--cfg", "-c")) for word in shown):
        raise UserError("--resolve: goes with --cfg job")


def _end_with_the_pipe() -> None:
    """What only prints ends quietly where its reader has seen enough (`| head`), as any tool of the shell does."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _checked(words: list[str]) -> "tuple[Launch, Plan]":
    """Every job validated and planned. Raises UserError with every problem on its own line."""
    from refinepoi.launching.composition import check
    from refinepoi.launching.plan import plan

    flags = [word for word in words if word.startswith("-")]
    unknown = set(flags) - set(MULTIRUN)
    if unknown:
        raise UserError(f"{', '.join(sorted(unknown))}: no such flag; see refinepoi --help")
    launch = check([w for w in words if not w.startswith("-")], bool(set(MULTIRUN) & set(flags)))
    return launch, plan(launch.jobs)


def _make_folder(launch: "Launch") -> Path:
    """The folder of this run or sweep, made here and now: two starts never share one."""
    key = "hydra.sweep.dir" if launch.multirun else "hydra.run.dir"
    try:
        launch.folder.mkdir(parents=True)
    except FileExistsError:
        raise UserError(
            f"{key}: {launch.folder} is there already; choose another folder, or go on with what it holds: "
            f"refinepoi resume={launch.folder}"
        ) from None
    except OSError as error:
        raise UserError(f"{key}: {launch.folder} cannot be made ({error.strerror}); choose another folder") from None
    return launch.folder


def _hydra_main() -> None:
    import hydra

    from refinepoi.launching.composition import VERSION_BASE, register
    from refinepoi.launching.job import run_hydra_job

    register()
    conf = str(config_root() / "conf")
    hydra.main(version_base=VERSION_BASE, config_path=conf, config_name="config")(run_hydra_job)()


def _stamp() -> str:
    """Names the folder. Ranks of one distributed job share one: they have the same parent, born at one moment."""
    if "RANK" in os.environ and os.environ.get("LOCAL_RANK") is not None:
        parent = Path(f"/proc/{os.getppid()}/stat")
        born = parent.read_text().rpartition(")")[2].split()[19] if parent.exists() else "0"
        return f"{datetime.now():%Y%m%d}-{os.getppid()}-{born}"
    return f"{datetime.now():%Y%m%d-%H%M%S-%f}-{secrets.token_hex(3)}"


if __name__ == "__main__":
    main()
