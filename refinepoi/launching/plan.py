"""The plan of a run or sweep: which artifacts the store has, which are built and by which job, and what that costs.

Keys follow from specs and keys of inputs alone (`core/store.py`), so the pipeline itself, walked with a store that
makes nothing, says what would be made. Points that come to the same are found here, too: the same keys, or reward
weights that differ by a common factor, which TRL's normalisation of advantages takes out (docs/method.md section 7).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from refinepoi.core.spec import Spec, canonical
from refinepoi.core.stage import Artifact, Stage, Storable
from refinepoi.core.store import MANIFEST, Store, artifact_key
from refinepoi.experiment import Experiment
from refinepoi.launching.composition import Job
from refinepoi.launching.cost import Cost, estimate, model_size
from refinepoi.pipeline import Pipeline

T = TypeVar("T", bound=Storable)


@dataclass(frozen=True)
class Step:
    """One artifact of one job. first: the job of the sweep that builds it (None: the store has it)."""

    name: str
    stage: str
    key: str
    first: int | None
    cost: Cost | None


@dataclass(frozen=True)
class Plan:
    """jobs: those that are run, in order. steps: of each job. dropped: (overrides, number of the job they equal)."""

    jobs: tuple[Job, ...]
    steps: tuple[tuple[Step, ...], ...]
    dropped: tuple[tuple[str, int], ...]


class PlannedStore(Store):
    """A store that makes nothing: handles carry keys, `hit` says whether the artifact is there."""

    def get(self, stage: Stage[T], arguments: Sequence[Spec | Artifact[Any]], name: str | None = None) -> Artifact[T]:
        key = artifact_key(stage, arguments)
        name = name or stage.name
        path = self.root / stage.name / key
        hit = (path / MANIFEST).is_file() and not {stage.name, name} & set(self.runtime.refresh)
        self.records[name] = {"stage": stage.name, "key": key, "hit": hit, "arguments": list(arguments)}
        return Artifact(stage.name, key, path, stage.makes, hit)


@dataclass
class _Seen:
    points: dict[str, int] = field(default_factory=dict)
    built: dict[str, int] = field(default_factory=dict)


def plan(jobs: Sequence[Job]) -> Plan:
    """Walk all jobs without building anything."""
    seen = _Seen()
    kept: list[Job] = []
    steps: list[tuple[Step, ...]] = []
    dropped: list[tuple[str, int]] = []
    for job in jobs:
        number = len(kept)
        first = seen.points.setdefault(identity(job.experiment), number)
        if first != number:
            dropped.append((" ".join(job.overrides), first))
            continue
        kept.append(job)
        steps.append(tuple(_steps(job.experiment, number, seen.built)))
    return Plan(tuple(kept), tuple(steps), tuple(dropped))


def records(experiment: Experiment) -> dict[str, dict[str, Any]]:
    """name -> {stage, key, hit, arguments} of every artifact that the goal needs."""
    store = PlannedStore(Path(experiment.runtime.store).absolute(), experiment.runtime)
    pipeline = Pipeline(experiment, store)
    if hasattr(Pipeline, experiment.goal):  # the class: asking the instance would hide errors
        getattr(pipeline, experiment.goal)
    return store.records


def identity(experiment: Experiment) -> str:
    """Equal for experiments that come to the same: same artifacts, same way of running, same goal."""
    keys = {name: record["key"] for name, record in records(with_unit_weights(experiment)).items()}
    rest = experiment.model_dump(mode="json", include={"runtime", "tracking", "goal"})
    if experiment.goal == "report":
        rest["report"] = experiment.report.model_dump(mode="json")
    return canonical([keys, rest])


def with_unit_weights(experiment: Experiment) -> Experiment:
    """Reward weights that sum to 1 where only their ratios matter: TRL sums the terms, then normalises advantages."""
    if experiment.grpo.kind == "off" or experiment.grpo.scale_rewards == "none":
        return experiment
    return experiment.model_copy(update={"reward": experiment.reward.in_unit_weights()})


def _steps(experiment: Experiment, number: int, built: dict[str, int]) -> list[Step]:
    root = Path(experiment.runtime.store).absolute()
    steps = []
    for name, record in records(experiment).items():
        stage, key = record["stage"], record["key"]
        if record["hit"]:
            steps.append(Step(name, stage, key, None, None))
            continue
        first = built.setdefault(f"{root}/{stage}/{key}", number)
        cost = estimate(stage, record["arguments"], experiment, root) if first == number else None
        steps.append(Step(name, stage, key, first, cost))
    return steps


def plan_table(plan: Plan, enumerated: bool = True) -> str:
    """What is common to all jobs once, then a line a job. enumerated: False where a sweeper draws the points."""
    names = list(dict.fromkeys(step.name for steps in plan.steps for step in steps))
    cells = [{step.name: step for step in steps} for steps in plan.steps]
    common = [n for n in names if all(n in row and row[n].key == cells[0][n].key for row in cells)]
    lines = [f"plan of {len(plan.jobs)} job{'s' * (len(plan.jobs) > 1)}"]
    if not enumerated:
        lines = ["points are drawn as results come in; one of them, with the settings before any draw:"]
    for overrides, same in plan.dropped:
        lines.append(f"  dropped: {overrides} comes to the same as job {same}")
    trained = [job.experiment for job, row in zip(plan.jobs, cells, strict=True) if "warm_start" in row]
    lines += dict.fromkeys(_model(experiment) for experiment in trained)
    head = "for all jobs" if len(plan.jobs) > 1 else "artifact"
    lines += ["", f"{head:<24}{'':<7} {'time':>9} {'tokens':>9} {'memory':>9}"]
    lines += [_line(cells[0][name]) for name in common]
    varying = [n for n in names if n not in common]
    if varying:
        width = max(len(n) for n in varying) + 1
        lines += ["", "job " + "".join(f"{n:<{width}}" for n in varying) + f"{'time':>9} {'tokens':>9}  overrides"]
        for number, (job, row) in enumerate(zip(plan.jobs, cells, strict=True)):
            states = "".join(f"{_state(row.get(n), number):<{width}}" for n in varying)
            own = [row[n].cost for n in varying if n in row]
            seconds, tokens = _sum(own, "seconds"), _sum(own, "tokens")
            lines.append(f"{number:>3} {states}{_time(seconds):>9} {_big(tokens):>9}  {' '.join(job.overrides)}")
    costs = [step.cost for steps in plan.steps for step in steps]
    total = _sum(costs, "seconds")
    guess = any(c and not c.measured for c in costs)
    lines += ["", f"altogether about {_time(total)} one job after another" + (
        "; ~ marks rules of thumb, for stages this store has not built before" if guess else "")]  # fmt: skip
    return "\n".join(lines)


def _model(experiment: Experiment) -> str:
    spec, size = experiment.model, model_size(experiment)
    name = f"{spec.architecture} from scratch" if spec.kind == "scratch" else spec.path or f"{spec.name}"
    training = f"{size.training_bytes / 1e9:.1f} GB for training besides activations"
    policy = f"{size.policy_bytes / 1e6:.0f} MB a policy"
    return f"model: {name}, {_big(size.total)} weights, {_big(size.trained)} trained, {policy}, {training}"


def _line(step: Step) -> str:
    cost = step.cost
    if cost is None:
        return f"{step.name:<24}{'hit':<7}"
    mark = "" if cost.measured else "~"
    time, memory = f"{mark}{_time(cost.seconds)}", f"{mark}{cost.memory_mb:.0f} MB"
    return f"{step.name:<24}{'build':<7} {time:>9} {_big(cost.tokens):>9} {memory:>9}"


def _state(step: Step | None, number: int) -> str:
    if step is None:
        return "-"
    if step.first is None:
        return "hit"
    return "build" if step.first == number else f"job {step.first}"


def _sum(costs: Sequence[Cost | None], name: str) -> float:
    return sum(getattr(cost, name) or 0.0 for cost in costs if cost is not None)


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _big(tokens: float | None) -> str:
    if not tokens:
        return ""
    return f"{tokens / 1e6:.1f} M" if tokens >= 1e5 else f"{tokens:.0f}"
