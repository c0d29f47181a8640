"""Watching a GRPO run: curves under our names, validation, the best policy so far, whole checkpoints, progress."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from refinepoi.core.stage import Context
from refinepoi.grpo.checkpoints import mark_complete, replace_folder
from refinepoi.grpo.spec import GrpoTrain
from refinepoi.grpo.validation import Validation

# TRL's name -> ours; the terms of the reward are renamed by rule
NAMES = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "reward": "reward",
    "reward_std": "reward_std",
    "frac_reward_zero_std": "frac_reward_zero_std",
    "kl": "kl",
    "entropy": "entropy",
    "clip_ratio/region_mean": "clip_ratio",
    "completions/mean_length": "completion_length",
    "step_time": "seconds_per_step",
}


@dataclass
class Memory:
    """
    What a run that continues must know besides the trainer's own checkpoint.

    curve: rows as logged.  validation: [{"step", "MRR", ...}].  best: the step of the best policy so far.
    """

    curve: list[dict[str, float]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)
    best: int = -1

    def best_value(self) -> float:
        return max((row.get("MRR", 0.0) for row in self.validation if row["step"] == self.best), default=-1.0)


class Watch(TrainerCallback):
    """
    save_policy: writes the present policy, as an artifact's model, to a folder.
    """

    def __init__(
        self,
        context: Context,
        spec: GrpoTrain,
        validation: Validation,
        save_policy: Callable[[Path], None],
        memory: Memory,
    ) -> None:
        self.context, self.spec, self.validation, self.save_policy = context, spec, validation, save_policy
        self.memory = memory
        self.bar = context.progress(total=spec.steps, unit="step")
        for row in memory.curve:  # logged before the crash, by another process
            context.log.metrics({k: v for k, v in row.items() if k != "step"}, int(row["step"]))

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update(state.global_step)
        if not self.memory.validation:
            self._validate(0, kwargs)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        logs = logs or {}
        values = {ours: float(logs[theirs]) for theirs, ours in NAMES.items() if theirs in logs}
        for name, value in logs.items():
            if name.startswith("rewards/") and name.endswith("/mean"):
                values[f"reward/{name.split('/')[1]}"] = float(value)
        if "reward" in values or "loss" in values:
            self._log(values, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % self.spec.eval_every == 0 or state.global_step == self.spec.steps:
            self._validate(state.global_step, kwargs)
        control.should_save = state.global_step % self.spec.save_every == 0
        self.bar.update(1)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        mark_complete(self.context.work / f"checkpoint-{state.global_step}", asdict(self.memory))
        for folder in self.context.work.glob("best-*"):
            if folder.name != f"best-{self.memory.best}":
                shutil.rmtree(folder)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.close()

    def _validate(self, step: int, kwargs: dict[str, Any]) -> None:
        measured = self.validation.measure(kwargs["model"], kwargs["processing_class"])
        previous = self.memory.best_value()
        self.memory.validation.append({"step": step, **measured})
        self._log({f"validation/{name}": value for name, value in measured.items()}, step)
        if self.memory.best < 0 or measured.get("MRR", 0.0) > previous:
            self.memory.best = step
            partial = self.context.work / "partial-best"
            shutil.rmtree(partial, ignore_errors=True)
            self.save_policy(partial)
            replace_folder(partial, self.context.work / f"best-{step}")
        self.bar.set_postfix({f"validation {name}": f"{value:.3f}" for name, value in measured.items()}, refresh=False)

    def _log(self, values: Mapping[str, float], step: int) -> None:
        if values:
            self.memory.curve.append({"step": step, **values})
            self.context.log.metrics(values, step)
