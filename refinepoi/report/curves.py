"""Learning curves of all configurations: one panel a metric, stages below one another, GRPO and its rewards first.

Configurations that share an artifact (the SFT of a reward sweep) share one line. Several seeds are a mean with a band
from the lowest to the highest. Values on held-out samples are dashed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from refinepoi.evaluation.plots import HELD_OUT
from refinepoi.report.comparison import Comparison
from refinepoi.report.settings import Configuration
from refinepoi.report.svg import Drawing, Scale, axis_left, thinned, tick_text, widened

PANEL = 300.0, 178.0
POINTS = 120
STAGES = {
    "policy": "GRPO", "warm_start": "Supervised fine-tuning", "semantic_ids": "Semantic IDs", "embeddings": "Encoder"
}  # fmt: skip
"""Stages whose curves are drawn, in this order."""
COLOURS = 8

Points = np.ndarray
"""float64 [n, 4]: step, mean, least, most over seeds."""


@dataclass(frozen=True, eq=False)
class Line:
    """numbers: the configurations it stands for.  points: (metric, held out?) -> Points."""

    numbers: tuple[int, ...]
    points: dict[tuple[str, bool], Points]
    seeds: int


def curve_sections(comparison: Comparison) -> list[tuple[str, list[Markup]]]:
    """(stage, panels) of every stage that left a curve in some run."""
    sections = []
    for stage, title in STAGES.items():
        lines = shared_lines(comparison.configurations, stage)
        metrics = dict.fromkeys(metric for line in lines for metric, _ in line.points)
        if metrics:
            every = len(comparison.configurations)
            panels = [_panel(metric, lines, every) for metric in sorted(metrics, key=_importance)]
            sections.append((title, panels))
    return sections


def shared_lines(found: Sequence[Configuration], stage: str) -> list[Line]:
    """One line for all configurations whose runs read the same artifacts of a stage."""
    members: dict[tuple[str, ...], list[Configuration]] = {}
    for configuration in found:
        keys = tuple(sorted({run.stages[stage]["key"] for run in configuration.runs if stage in run.stages}))
        if keys:
            members.setdefault(keys, []).append(configuration)
    lines = []
    for keys, group in members.items():
        runs = {run.stages[stage]["key"]: run for run in group[0].runs if stage in run.stages}
        points = over_seeds([run.curves.get(stage, []) for run in runs.values()])
        lines.append(Line(tuple(c.number for c in group), points, len(keys)))
    return lines


def over_seeds(curves: Sequence[Sequence[Mapping[str, float]]]) -> dict[tuple[str, bool], Points]:
    """Mean, least and most over seeds at each step that any of them logged; single points are no curve."""
    values: dict[tuple[str, bool], dict[float, list[float]]] = {}
    for rows in curves:
        for row in rows:
            for name, value in row.items():
                if name == "step" or not math.isfinite(value):
                    continue
                prefix = next((p for p in HELD_OUT if name.startswith(p)), "")
                series = values.setdefault((name.removeprefix(prefix), bool(prefix)), {})
                series.setdefault(row["step"], []).append(value)
    return {
        name: np.array([[step, np.mean(v), min(v), max(v)] for step, v in sorted(series.items())])
        for name, series in values.items()
        if len(series) > 1
    }


def colour(number: int, every: int) -> str:
    """Few configurations have a colour each; many are one shade, and pointing at one marks it."""
    return f"c{(number - 1) % COLOURS}" if every <= COLOURS else "many"


def _panel(metric: str, lines: Sequence[Line], every: int) -> Markup:
    width, height = PANEL
    left, right, top, bottom = 44.0, width - 8, 26.0, height - 22
    named = metric.replace("_", " ")
    drawing = Drawing(width, height, f"learning curve of {named}")
    shown = [
        (line, held, thinned(points, POINTS))
        for line in lines
        for (name, held), points in line.points.items()
        if name == metric
    ]
    steps = [float(s) for _, _, points in shown for s in (points[0, 0], points[-1, 0])]
    y = Scale(*widened([float(v) for _, _, points in shown for v in points[:, 1:].ravel()], 0.06), bottom, top)
    x = Scale(min(steps), max(steps), left, right)
    axis_left(drawing, y, left, right, 3)
    drawing.text(4, 14, named if len(named) < 38 else f"…{named[-37:]}", "panel-title")
    for tick in x.ticks(4, whole=True):
        drawing.text(x(tick), height - 6, tick_text(tick), "tick", "middle")
    for line, held, points in shown:
        shared = every > 1 and len(line.numbers) == every
        name = "shared" if shared else colour(line.numbers[0], every)
        numbers = " ".join(map(str, line.numbers))
        if line.seeds > 1:
            upper = [(x(s), y(v)) for s, v in points[:, [0, 3]]]
            lower = [(x(s), y(v)) for s, v in points[::-1][:, [0, 2]]]
            drawing.area([*upper, *lower], f"band {name}", data_configuration=numbers)
        who = f"configuration{'s' if len(line.numbers) > 1 else ''} {', '.join(map(str, line.numbers))}"
        title = f"{who}{', validation' if held else ''}: ends at {points[-1, 1]:.4g}"
        kind = "curve held" if held else "curve"
        drawing.path([(x(s), y(v)) for s, v in points[:, :2]], f"{kind} {name}", title, data_configuration=numbers)
    return drawing.markup("panel")


def _importance(metric: str) -> tuple[int, str]:
    """Rewards, then what is scored, then loss, then the rest."""
    first = ("reward", "MRR", "Acc", "loss")
    return next((n for n, start in enumerate(first) if metric.startswith(start)), len(first)), ""
