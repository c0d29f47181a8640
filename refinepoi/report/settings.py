"""Which settings tell runs apart: configurations (equal but for seeds) and factors (settings that differ between them).

Read from each run's resolved `config.yaml`, so that a value set by an experiment file counts as one typed by hand.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from refinepoi.core.spec import canonical
from refinepoi.report.runs import Run

WITHOUT_EFFECT = (
    "name", "goal", "tracking", "runtime", "report", "recommend", "export", "evaluation.scoring", "dataset.path",
)  # fmt: skip
"""Settings that change no rank: how a run is called, where and how fast it ran, how it was scored."""
ABSENT = "–"

Value = str | int | float | bool | None


@dataclass(frozen=True, eq=False)
class Configuration:
    """Runs whose settings are equal but for their seeds, ordered by these. number: its name on the page, from 1."""

    number: int
    runs: tuple[Run, ...]
    values: dict[str, Value]

    @property
    def seeds(self) -> int:
        return len(self.runs)

    @property
    def seed_values(self) -> str:
        """Equal text where two configurations ran with the same seeds."""
        return canonical([seeds_of(run) for run in self.runs])


@dataclass(frozen=True, eq=False)
class Factor:
    """A setting that differs, with those that always change together with it. values: one a configuration."""

    key: str
    together: tuple[str, ...]
    values: tuple[Value, ...]

    @cached_property
    def texts(self) -> tuple[str, ...]:
        return tuple(text_of(value) for value in self.values)

    @property
    def levels(self) -> list[str]:
        """Its different values in order: numbers by size, text by its numbers."""
        return [text_of(value) for value in sorted(dict.fromkeys(self.values), key=_order)]

    @property
    def short(self) -> str:
        """The last two parts of the key: `weights.rank`."""
        return ".".join(self.key.split(".")[-2:])


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Value]:
    """Dotted key -> number or text. A list is one value: `[8x8, 8x8]` -> `8x8, 8x8`."""
    flat: dict[str, Value] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{key}.")
        elif isinstance(value, list):
            plain = all(not isinstance(v, Mapping | list) for v in value)
            flat[key] = ", ".join(text_of(v) for v in value) if plain else json.dumps(value)
        else:
            flat[key] = value
    return flat


def is_seed(key: str) -> bool:
    return key == "seed" or key.endswith(".seed")


def effective(run: Run) -> dict[str, Value]:
    """The settings of a run that can change its ranks."""
    return {
        key: value
        for key, value in flatten(run.config).items()
        if not any(key == left or key.startswith(f"{left}.") for left in WITHOUT_EFFECT)
    }


def seeds_of(run: Run) -> dict[str, Value]:
    return {key: value for key, value in effective(run).items() if is_seed(key)}


def without_repeats(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Runs whose settings, seeds included, differ; and those that an equal, later run replaces."""
    last = {canonical(effective(run)): run for run in runs}
    kept = [run for run in runs if last[canonical(effective(run))] is run]
    return kept, [run for run in runs if run not in kept]


def configurations(runs: Sequence[Run], first: int = 1) -> list[Configuration]:
    """Runs put together by their settings without seeds, in order of appearance. first: the first number."""
    groups: dict[str, list[Run]] = {}
    values: dict[str, dict[str, Value]] = {}
    for run in runs:
        settings = {key: value for key, value in effective(run).items() if not is_seed(key)}
        name = canonical(settings)
        groups.setdefault(name, []).append(run)
        values[name] = settings
    for group in groups.values():
        group.sort(key=lambda run: list(map(_order, seeds_of(run).values())))
    return [Configuration(first + n, tuple(groups[name]), values[name]) for n, name in enumerate(groups)]


def factors(found: Sequence[Configuration]) -> list[Factor]:
    """
    The settings that differ between configurations, in the order of the configuration tree.

    Settings that split the configurations alike (all of `model=tiny|small`) are one factor, named by the one that was
    typed, else by a `kind`, else by the first.
    """
    keys = dict.fromkeys(key for configuration in found for key in configuration.values)
    typed = {o.partition("=")[0].lstrip("+") for c in found for run in c.runs for o in run.overrides}
    alike: dict[tuple[int, ...], list[str]] = {}
    for key in keys:
        texts = [text_of(c.values.get(key, ABSENT)) for c in found]
        if len(set(texts)) > 1:
            alike.setdefault(tuple(texts.index(text) for text in texts), []).append(key)
    result = []
    for group in alike.values():
        key = min(group, key=lambda k: (k not in typed, not k.endswith(".kind"), group.index(k)))
        values = tuple(c.values.get(key, ABSENT) for c in found)
        result.append(Factor(key, tuple(k for k in group if k != key), values))
    return result


def seed_texts(runs: Sequence[Run]) -> list[str]:
    """`seed 0`, or `grpo.seed 0`: the seeds in which the runs differ; those that follow `seed` are not said again."""
    seeds = [seeds_of(run) for run in runs]
    keys = list(dict.fromkeys(key for values in seeds for key in values))
    differ = [key for key in keys if len({text_of(values.get(key)) for values in seeds}) > 1]
    if "seed" in differ:
        differ = [k for k in differ if k == "seed" or any(v.get(k) != v.get("seed") for v in seeds)]
    shown = differ or [key for key in keys if key == "seed"]
    return [", ".join(f"{key} {text_of(values.get(key))}" for key in shown) for values in seeds]


def common_overrides(runs: Sequence[Run]) -> list[str]:
    """What was typed for all of several runs alike."""
    if len(runs) < 2:
        return []
    return [o for o in runs[0].overrides if all(o in run.overrides for run in runs)]


def own_overrides(run: Run, common: Sequence[str]) -> str:
    return " ".join(o for o in run.overrides if o not in common)


def text_of(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _order(value: Value) -> tuple[int, float, list[tuple[int, float, str]]]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0, float(value), []
    parts = re.split(r"(\d+(?:\.\d+)?)", text_of(value))
    return 1, 0.0, [(0, float(p), "") if p[:1].isdigit() else (1, 0.0, p) for p in parts]
