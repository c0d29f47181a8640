"""The entry point: compose -> validate every job -> pipeline.<goal> -> run folder -> validation MRR.

`refinepoi` and `python -m refinepoi` both come here. Refusals leave with exit code 2 before Hydra makes a folder; a
sweep leaves with 1 when a job failed. Hydra is given a validation metric, so that any sweeper can optimise it.
"""

import json
import logging
import os
import secrets
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refinepoi.core.errors import UserError
from refinepoi.core.folders import config_root

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from refinepoi.experiment import Experiment

log = logging.getLogger("refinepoi")

HYDRA_FLAGS = ("--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc", "--version", "--resolve")
MULTIRUN = ("-m", "--multirun")
OUTCOME = "outcome.json"


def main() -> None:
    words = sys.argv[1:]
    if {"--help", "-h"} & set(words):
        from refinepoi.launching.help_page import help_page

        print(help_page())
        return
    os.environ["REFINEPOI_STAMP"] = f"{datetime.now():%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"
    launch = None
    if not any(word.split("=")[0] in HYDRA_FLAGS for word in words):
        launch = _checked(words)
        folder = Path("sweeps" if launch.multirun else "runs") / launch.jobs[0].experiment.name
        folder = (folder / os.environ["REFINEPOI_STAMP"]).absolute()
        if launch.multirun:
            os.environ["REFINEPOI_SWEEP"] = launch.sweep or folder.name
            print(f"sweep of {len(launch.jobs)} jobs")
    start = time.monotonic()
    sys.argv[1:] = sorted(words, key=lambda word: word not in MULTIRUN)  # argparse wants overrides in one piece
    _hydra_main()
    if launch and launch.multirun:
        from refinepoi.report.run_folder import sweep_table

        text, failed = sweep_table(folder, len(launch.jobs))
        print(f"\n{text}\n{time.monotonic() - start:.0f} s\n{folder}")
        sys.exit(1 if failed else 0)


def _checked(words: list[str]) -> "Any":
    """The validated jobs, or exit 2 with every problem on its own line."""
    from refinepoi.launching.composition import check

    try:
        flags = [word for word in words if word.startswith("-")]
        return check([w for w in words if not w.startswith("-")], bool(set(MULTIRUN) & set(flags)))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _hydra_main() -> None:
    import hydra

    from refinepoi.launching.composition import VERSION_BASE, register

    register()
    hydra.main(version_base=VERSION_BASE, config_path=str(config_root() / "conf"), config_name="config")(run_job)()


def run_job(cfg: "DictConfig") -> float:
    """One Hydra job. Returns the validation MRR (NaN where the goal stops earlier or a sweep's job failed)."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from refinepoi.core.runtime import prepare_process
    from refinepoi.experiment import from_hydra

    hydra_config = HydraConfig.get()
    sweeping = hydra_config.mode == RunMode.MULTIRUN
    folder = Path(hydra_config.runtime.output_dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    experiment = from_hydra(cfg)
    prepare_process(experiment.runtime.threads)
    overrides = [str(o) for o in hydra_config.overrides.task]
    outcome: dict[str, Any] = {"overrides": overrides, "status": "failed"}
    with _logging_to(folder):
        try:
            outcome |= {"status": "done", **_run(experiment, folder, overrides, sweeping)}
        except Exception as error:
            outcome |= {"error": f"{type(error).__name__}: {error}"}
            log.debug("%s", traceback.format_exc())
            if isinstance(error, UserError) and not sweeping:
                log.error("%s", error)
                print(folder)
                sys.exit(2)
            log.error("failed: %s (whole story in %s)", error, folder / "run.log")
            if not sweeping:
                raise
        except KeyboardInterrupt:
            outcome |= {"status": "interrupted"}
            log.error("interrupted; the same command goes on from here")
            raise
        finally:
            (folder / OUTCOME).write_text(json.dumps(outcome, indent=1), encoding="utf-8")
    return float(outcome.get("objective", float("nan")))


def _run(experiment: "Experiment", folder: Path, overrides: list[str], sweeping: bool) -> dict[str, Any]:
    from refinepoi.core.store import Store
    from refinepoi.core.tracking_spec import open_tracker
    from refinepoi.experiment import to_yaml
    from refinepoi.pipeline import Pipeline
    from refinepoi.report.run_folder import write_run_folder

    (folder / "config.yaml").write_text(to_yaml(experiment), encoding="utf-8")
    sweep = os.environ.get("REFINEPOI_SWEEP", "sweep") if sweeping else None
    with open_tracker(
        experiment.tracking,
        folder=folder,
        name=folder.name if not sweeping else f"{sweep}-{folder.name}",
        group=sweep,
        tags=[experiment.name, f"goal:{experiment.goal}"],
        config=experiment.model_dump(mode="json"),
    ) as tracker:
        store = Store(Path(experiment.runtime.store).absolute(), experiment.runtime, tracker)
        pipeline = Pipeline(experiment, store)
        getattr(pipeline, experiment.goal)
        result = write_run_folder(folder, pipeline, tracker)
    if "table" in result:
        log.info("\n%s\n", result.pop("table"))
    print(folder, flush=True)
    return result


@contextmanager
def _logging_to(folder: Path) -> Iterator[None]:
    """Our own lines on the console, everything with times in run.log."""
    from tqdm import tqdm

    class Console(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tqdm.write(self.format(record))

    console, file = Console(logging.INFO), logging.FileHandler(folder / "run.log", encoding="utf-8")
    console.addFilter(logging.Filter("refinepoi"))
    console.setFormatter(logging.Formatter("%(message)s"))
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    before = root.handlers[:], log.level
    root.handlers[:] = [console, file]
    log.setLevel(logging.DEBUG)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = before[0]
        log.setLevel(before[1])
        file.close()


if __name__ == "__main__":
    main()
