"""Watching a training run: curves under our names, validation, the best policy so far, whole checkpoints, progress."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from refinepoi.core import interruption
from refinepoi.core.stage import Context
from refinepoi.training import ranks
from refinepoi.training.checkpoints import mark_complete, replace_folder
from refinepoi.training.validation import Validation

Row = dict[str, float]


@dataclass(frozen=True)
class Alert:
    """Something is wrong, said once a run under this name. stops: the run ends here, and the best policy is kept."""

    name: str
    message: str
    stops: bool = False


@dataclass
class Memory:
    """
    What a run that continues must know besides the trainer's own checkpoint.

    curve: rows as logged.  validation: [{"step", "MRR", ...}].  best: the step of the best policy so far.
    alerts: what was said, as {"step", and the fields of `Alert`}.
    """

    curve: list[Row] = field(default_factory=list)
    validation: list[Row] = field(default_factory=list)
    best: int = -1
    alerts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def stopped(self) -> bool:
        """Whether an alert ended the run."""
        return any(alert["stops"] for alert in self.alerts)

    def best_value(self) -> float:
        return max((row.get("MRR", 0.0) for row in self.validation if row["step"] == self.best), default=-1.0)

    def stale(self) -> int:
        """Validations since the best one."""
        return sum(row["step"] > self.best for row in self.validation)


@dataclass(frozen=True)
class Rhythm:
    """
    steps: optimizer steps of the run.  every: steps between validations.  save: steps between checkpoints.
    patience: validations without improvement after which the run stops; 0 never stops.
    offset: added to steps in curves, where one stage trains several times in a row.
    aligned: a checkpoint stands only at multiples of this, since between them a run could not go on exactly.
    """

    steps: int
    every: int
    save: int
    patience: int = 0
    offset: int = 0
    aligned: int = 1


class Watch(TrainerCallback):
    """
    folder: where the trainer writes its checkpoints; the best policy lies in `best-<step>` there.
    save_policy: writes the present policy, as an artifact's model, to a folder; every rank calls it.
    rename: the trainer's log entries under our names; empty where there is nothing to show.
    judge: what is wrong with the run so far, asked after each entry.
    """

    def __init__(
        self,
        context: Context,
        folder: Path,
        rhythm: Rhythm,
        validation: Validation,
        save_policy: Callable[[Path], None],
        rename: Callable[[Mapping[str, Any]], Row],
        memory: Memory,
        judge: Callable[[Memory], Iterable[Alert]] = lambda memory: (),
    ) -> None:
        self.context, self.folder, self.rhythm, self.validation = context, folder, rhythm, validation
        self.save_policy, self.rename, self.memory, self.judge = save_policy, rename, memory, judge
        self.leaving = False
        self.bar = context.progress(total=rhythm.steps, unit="step")
        for row in memory.curve:  # logged before the crash, by another process
            context.log.metrics({k: v for k, v in row.items() if k != "step"}, int(row["step"]))

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update(state.global_step)
        if not self.memory.validation:
            self._validate(0, kwargs)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        self._log(self.rename(logs or {}), state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        last = state.global_step == self.rhythm.steps
        if state.global_step % self.rhythm.every == 0 or last:
            self._validate(state.global_step, kwargs)
            if self.rhythm.patience and self.memory.stale() >= self.rhythm.patience:
                control.should_training_stop = True
        control.should_training_stop |= self.memory.stopped
        last |= control.should_training_stop
        # No checkpoint of the last step: the trainer would take one step more when it continues from there.
        aligned = state.global_step % self.rhythm.aligned == 0
        self.leaving = aligned and not last and ranks.anyone(interruption.asked())
        control.should_save = (state.global_step % self.rhythm.save == 0 or self.leaving) and not last
        self.bar.update(1)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        ranks.wait()  # each has written its part
        if ranks.index() == 0:
            mark_complete(self.folder / f"checkpoint-{state.global_step}", asdict(self.memory))
            for folder in self.folder.glob("best-*"):
                if folder.name != f"best-{self.memory.best}":
                    shutil.rmtree(folder)
        ranks.wait()
        if self.leaving:
            interruption.leave()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.close()

    def _validate(self, step: int, kwargs: dict[str, Any]) -> None:
        measured = self.validation.measure(kwargs["model"], kwargs["processing_class"])
        previous = self.memory.best_value()
        self.memory.validation.append({"step": step, **measured})
        self._log({f"validation/{name}": value for name, value in measured.items()}, step)
        # where nothing can be measured, the latest policy is taken for the best
        if self.memory.best < 0 or not measured or measured["MRR"] > previous:
            self.memory.best = step
            partial = self.folder / "partial-best"
            if ranks.index() == 0:
                shutil.rmtree(partial, ignore_errors=True)
            self.save_policy(partial)
            if ranks.index() == 0:
                replace_folder(partial, self.folder / f"best-{step}")
            ranks.wait()
        self.bar.set_postfix({f"validation {name}": f"{value:.3f}" for name, value in measured.items()}, refresh=False)

    def _log(self, values: Row, step: int) -> None:
        if values:
            self.memory.curve.append({"step": step + self.rhythm.offset, **values})
            self.context.log.metrics(values, step + self.rhythm.offset)
            known = {alert["name"] for alert in self.memory.alerts}
            for alert in self.judge(self.memory):
                if alert.name not in known:
                    self.memory.alerts.append({"step": step + self.rhythm.offset, **asdict(alert)})
                    self.context.log.alert(alert.name, alert.message)
