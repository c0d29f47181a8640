"""One Hydra job: a run folder, one experiment, one outcome.

The folder's `config.yaml` is frozen when the run or sweep is planned; the job does what stands there, so that a run
that is resumed does not change with `conf/`. `outcome.json` says how it ended: done, failed, interrupted (Ctrl-C) or
stopped (a batch system's signal, exit code 75). A job whose outcome is `done` is not run again.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refinepoi.core.errors import UserError
from refinepoi.launching.record import occupied, read_record

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from refinepoi.experiment import Experiment

log = logging.getLogger("refinepoi")

OUTCOME = "outcome.json"
CONFIG = "config.yaml"


def run_hydra_job(cfg: "DictConfig") -> float:
    """What Hydra calls. Returns the validation MRR (NaN where the goal stops earlier or a sweep's job failed)."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from refinepoi.experiment import from_hydra, load_config

    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir).absolute()
    overrides = [str(o) for o in hydra.overrides.task]
    if hydra.mode != RunMode.MULTIRUN:
        return run_job(load_config((folder / CONFIG).read_text(encoding="utf-8")), folder, overrides)
    record = read_record(Path(hydra.sweep.dir))
    group = record.group if record else "sweep"
    if record is None or not record.points:
        return run_job(from_hydra(cfg), folder, overrides, group, drawn=True)
    planned = record.points[int(folder.name)]
    if not set(planned) <= set(overrides):
        raise UserError(f"{folder}: was planned as {planned} and started as {overrides}; start the sweep again")
    return run_job(load_config((folder / CONFIG).read_text(encoding="utf-8")), folder, overrides, group)


def run_job(
    experiment: "Experiment", folder: Path, overrides: list[str], group: str | None = None, drawn: bool = False
) -> float:
    """
    group: of the sweep, one of whose jobs this is: should it fail, the others go on. drawn: by a sweeper that waits
    for each result, and is told by the exception that there is none.
    """
    from refinepoi.core import interruption
    from refinepoi.core.runtime import prepare_process

    before = read_outcome(folder)
    if before.get("status") == "done":
        return float(before.get("objective", float("nan")))
    folder.mkdir(parents=True, exist_ok=True)
    prepare_process(experiment.runtime.threads)
    outcome: dict[str, Any] = {"overrides": overrides, "status": "failed"}
    with occupied(folder), _logging_to(folder, brief=group is not None), interruption.listening():
        try:
            write_outcome(folder, outcome | {"status": "running"})
            outcome |= {"status": "done", **_make(experiment, folder, group)}
        except Exception as error:
            outcome |= {"error": f"{type(error).__name__}: {error}", "log": str(folder / "run.log")}
            log.debug("%s", traceback.format_exc())
            if isinstance(error, UserError) and not group:
                log.error("%s", error)
                print(folder)
                sys.exit(2)
            log.error("failed: %s (whole story in %s)", error, folder / "run.log")
            if drawn or not group:
                raise
        except KeyboardInterrupt:
            outcome |= {"status": "interrupted"}
            log.error("interrupted; go on with: refinepoi resume=%s", folder.parent if group else folder)
            raise
        except SystemExit:
            if interruption.asked():
                outcome |= {"status": "stopped"}
                log.error("stopped by a signal; go on with: refinepoi resume=%s", folder.parent if group else folder)
            raise
        finally:
            write_outcome(folder, outcome)
    return float(outcome.get("objective", float("nan")))


def _make(experiment: "Experiment", folder: Path, group: str | None) -> dict[str, Any]:
    from refinepoi.core.store import Store
    from refinepoi.core.tracking_spec import open_tracker
    from refinepoi.pipeline import Pipeline
    from refinepoi.processes.launch import run_stage
    from refinepoi.report.run_folder import write_run_folder

    freeze(folder, experiment)
    if experiment.goal == "report":
        from refinepoi.report.write import write_report

        result = write_report(folder, experiment.report)
        print(folder, flush=True)
        return result
    if experiment.goal == "dashboard":
        from refinepoi.report.dashboard import save_dashboard

        print(*save_dashboard(experiment.tracking), sep="\n", flush=True)
        return {}
    with open_tracker(
        experiment.tracking,
        folder=folder,
        name=f"{group}-{folder.name}" if group else folder.name,
        group=group,
        tags=[experiment.name, f"goal:{experiment.goal}"],
        config=experiment.model_dump(mode="json"),
    ) as tracker:
        store = Store(Path(experiment.runtime.store).absolute(), experiment.runtime, tracker, execute=run_stage)
        pipeline = Pipeline(experiment, store)
        getattr(pipeline, experiment.goal)
        result = write_run_folder(folder, pipeline, tracker)
    table = result.pop("table", None)
    if not group:  # a sweep shows a line a job and one table at its end
        if table:
            log.info("\n%s\n", table)
        print(folder, flush=True)
    return result


def freeze(folder: Path, experiment: "Experiment") -> None:
    """Write the settings that the job in `folder` will run with, now and when it is resumed."""
    from refinepoi.core.store import write_durably
    from refinepoi.experiment import to_yaml

    write_durably(folder / CONFIG, to_yaml(experiment))


def read_outcome(folder: Path) -> dict[str, Any]:
    """Empty where the job has not started (or was killed before it wrote anything)."""
    try:
        outcome: dict[str, Any] = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return outcome


def write_outcome(folder: Path, outcome: dict[str, Any]) -> None:
    from refinepoi.core.store import write_durably

    write_durably(folder / OUTCOME, json.dumps(outcome, indent=1))


@contextmanager
def _logging_to(folder: Path, brief: bool = False) -> Iterator[None]:
    """Our own lines on the console (brief: without what came from the store), everything with times in run.log."""
    from tqdm import tqdm

    class Console(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tqdm.write(self.format(record))

    console, file = Console(logging.INFO), logging.FileHandler(folder / "run.log", encoding="utf-8")
    console.addFilter(logging.Filter("refinepoi"))
    if brief:
        console.addFilter(lambda record: " from store " not in record.getMessage())
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
