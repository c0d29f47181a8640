"""What a stage will cost: seconds, tokens and memory, before anything is started.

First choice: the manifest, in this store, of the same stage with the most similar settings, scaled by the work that the
settings ask for (epochs, steps x prompts x answers, parameters, grid cells, check-ins). Where the store has none: rules
of thumb from runs on two CPU cores (`make demo`; `experiments=nyc`, docs/results.md), good for the order of magnitude.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from refinepoi.core.spec import Spec, grid_shape
from refinepoi.core.stage import Artifact
from refinepoi.core.store import MANIFEST
from refinepoi.experiment import Experiment
from refinepoi.model.size import Shape, Size, size_of

BASE_MB = 700.0  # the process with torch and transformers loaded
FLOPS_A_SECOND = 2e10  # of a small model on two CPU cores
SECONDS_A_CHECKIN = {
    "make_trajectories": 2e-5,
    "count_evidence": 3e-4,
    "make_features": 1e-5,
    "train_encoder": 6e-4,
    "quantize": 2e-5,
    "write_prompts": 1e-4,
    "rank_by_counting": 3e-4,
    "train_sequence": 2e-3,
    "score": 5e-5,
}
VOCABULARY = 700  # words and ID tokens of a model from scratch with two 16x16 levels


@dataclass(frozen=True)
class Cost:
    """tokens: of language-model training, None elsewhere. memory_mb: peak. measured: by a manifest, not by rule."""

    seconds: float
    tokens: float | None
    memory_mb: float
    measured: bool


def estimate(stage: str, arguments: Sequence[Spec | Artifact[Any]], experiment: Experiment, root: Path) -> Cost:
    """The cost of building one artifact. root: the store, read only."""
    specs = [a.model_dump(mode="json") for a in arguments if isinstance(a, Spec)]
    known = _most_similar(specs, _manifests(root / stage))
    if known is None:
        return _rule_of_thumb(stage, experiment)
    theirs = [a for a in known["arguments"] if "artifact" not in a]
    scale = _work(specs) / _work(theirs)
    cost = known.get("cost", {})
    tokens = cost.get("tokens")
    memory = float(cost.get("memory_mb") or _rule_of_thumb(stage, experiment).memory_mb)
    alike = [spec.get("kind") for spec in specs] == [spec.get("kind") for spec in theirs]
    return Cost(known["seconds"] * scale, None if tokens is None else tokens * scale, memory, measured=alike)


@cache
def _manifests(folder: Path) -> tuple[dict[str, Any], ...]:
    found = []
    for file in sorted(folder.glob(f"*/{MANIFEST}")):
        try:
            found.append(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return tuple(found)


def _most_similar(specs: list[dict[str, Any]], manifests: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The manifest whose settings differ in the fewest leaves; the newest among equals."""
    mine = dict(_leaves(specs))

    def distance(manifest: dict[str, Any]) -> tuple[int, float]:
        theirs = dict(_leaves([a for a in manifest["arguments"] if "artifact" not in a]))
        differing = sum(mine.get(key) != theirs.get(key) for key in mine.keys() | theirs.keys())
        return differing, -_age(manifest)

    return min(manifests, key=distance, default=None)


def _age(manifest: dict[str, Any]) -> float:
    from datetime import datetime

    return datetime.fromisoformat(manifest["made"]).timestamp()


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{prefix}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{prefix}.{number}")
    else:
        yield prefix, value


def _work(specs: list[dict[str, Any]]) -> float:
    """What the settings of a stage ask for, in units of its own: only ratios of it are used."""
    work = 1.0
    for spec in specs:
        if "steps" in spec:  # GRPO
            work *= spec["steps"] * spec["prompts_per_step"] * spec["num_generations"]
        if "answers" in spec and "lists" in spec:  # SFT
            work *= max(spec["answers"]["epochs"] + 2 * spec["lists"]["epochs"], 0.1)
        if isinstance(spec.get("epochs"), int):  # encoder, SOM
            work *= spec["epochs"]
        if "levels" in spec and isinstance(spec["levels"], list):
            work *= sum(h * w for h, w in map(grid_shape, spec["levels"]))
        if "kv_heads" in spec:  # a language model from scratch
            work *= parameters(spec)
        if isinstance(spec.get("city"), dict):
            work *= spec.get("cities", 1) * spec["city"]["users"] * spec["city"]["days"]
    return work


def parameters(model: dict[str, Any]) -> float:
    """Number of weights of a decoder from scratch, from its settings."""
    hidden, keys = model["hidden"], model["hidden"] * model["kv_heads"] // model["heads"]
    return Shape(hidden, model["layers"], hidden, keys, model["intermediate"], VOCABULARY, model["tie"]).total


def model_size(experiment: Experiment) -> Size:
    """Of the language model; an unknown one counts as 1 B weights."""
    levels = getattr(experiment.quantizer, "levels", ())
    cells = sum(height * width for height, width in map(grid_shape, levels))
    return size_of(experiment.model, cells, VOCABULARY) or Size(1e9, 1e9, 4e9, 1.6e10)


def _rule_of_thumb(stage: str, experiment: Experiment) -> Cost:
    checkins = _checkins(experiment)
    model, prompt = experiment.model.model_dump(mode="json"), experiment.prompt.model_dump(mode="json")
    size = model_size(experiment)
    weights = size.total
    answer = prompt["list_length"] * 2
    length = min(prompt["budget"], 8 + 4 * prompt["memory"]["visits"] + prompt.get("candidates", 0) * 8) + answer
    memory = BASE_MB
    tokens: float | None = None
    passes = 6.0  # flops a weight and token: forward 2, backward 4
    if stage in ("train_sft", "train_grpo"):
        activations = (
            experiment.runtime.micro_batch * length * (20 * model.get("hidden", 2048) * model.get("layers", 24))
        )
        memory += (size.training_bytes + 4 * activations) / (1 << 20)
    if stage == "train_sft" and experiment.sft.kind == "train":
        tokens = 0.75 * checkins * length * (experiment.sft.answers.epochs + experiment.sft.lists.epochs)
    elif stage == "train_grpo" and experiment.grpo.kind == "train":
        grpo = experiment.grpo
        tokens = grpo.steps * grpo.prompts_per_step * (length - answer + grpo.num_generations * answer)
        passes = 10.0  # the answers are sampled first
    elif stage == "predict":
        return Cost(0.05 * checkins * length * 2.0 * weights / FLOPS_A_SECOND + 5, None, memory, measured=False)
    if tokens is not None:
        return Cost(tokens * passes * weights / FLOPS_A_SECOND + 5, tokens, memory, measured=False)
    return Cost(checkins * SECONDS_A_CHECKIN.get(stage, 1e-5) + 1, None, memory, measured=False)


def _checkins(experiment: Experiment) -> float:
    """Roughly how many check-ins the data set has: from the size of its files, or from the settings of the city."""
    dataset = experiment.dataset.model_dump(mode="json")
    if isinstance(dataset.get("city"), dict):
        return 0.6 * dataset["cities"] * dataset["city"]["users"] * dataset["city"]["days"]
    files = experiment.dataset.files() if hasattr(experiment.dataset, "files") else []
    size = sum(f.stat().st_size * (5 if f.suffix in (".gz", ".zip") else 1) for f in files if f.exists())
    return max(size / 120, 1000.0)
