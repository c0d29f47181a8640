"""Two figures of a run: all methods with their intervals, and the training curves as small multiples.

Drawn on `Figure` objects without pyplot: no global state, no window, safe in threads.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from refinepoi.evaluation.table import MODELS, metric_names, order_of

INK, SOFT, GRID = "#22252a", "#6d747e", "#e4e7eb"
ACCENT, PALE, BASELINE = "#1f6feb", "#8db8f5", "#b9c0c9"
VALIDATION = "#d9730d"
STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": GRID,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "figure.facecolor": "white",
    "savefig.dpi": 150,
}
HELD_OUT = ("validation_", "validation/", "valid_", "val_", "val/", "eval_", "eval/")
COLUMNS = 4
PANEL = 3.1, 1.9  # inches: width, height, with its labels
MARGIN = 0.6, 0.35  # inches of a panel kept for labels on the left and below
HEAD = 0.42  # inches of a stage's name
PANELS = 16  # most panels of one stage
SMOOTHED_FROM = 40  # points from which a running mean is drawn over the raw line


def draw_methods(metrics: Mapping[str, Any], path: Path) -> bool:
    """Bars of all methods for each metric, with bootstrap intervals. metrics: content of `metrics.json`.

    Returns whether there was anything to draw.
    """
    methods = metrics["methods"]
    if not methods:
        return False
    names = order_of(methods)
    shown = [m for m in metric_names(methods[names[0]]) if m != "MRR"]
    colours = {MODELS[0]: ACCENT, MODELS[1]: PALE}
    with rc_context(STYLE):
        figure = Figure(figsize=(1.5 + 2.3 * len(shown), 1.25 + 0.29 * len(names)), layout="constrained")
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        places = np.arange(len(names))[::-1]
        for axes, metric in zip(panels, shown, strict=True):
            values = np.array([methods[n][metric] for n in names])
            ends = np.array([methods[n].get(f"{metric}_interval") or [methods[n][metric]] * 2 for n in names])
            spread = np.maximum(np.abs(ends.T - values), 0)
            axes.barh(places, values, height=0.68, color=[colours.get(n, BASELINE) for n in names])
            axes.errorbar(values, places, xerr=spread, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2, capthick=0.9)
            for place, value, end in zip(places, values, ends[:, 1], strict=True):
                weight = "bold" if value == values.max() else "normal"
                axes.annotate(
                    f"{value:.3f}", (max(end, value), place), xytext=(4, 0), textcoords="offset points",
                    va="center", fontsize=8, fontweight=weight,
                )  # fmt: skip
            axes.set_title(metric, loc="left", fontsize=10, fontweight="bold")
            axes.set_xlim(0, max(1e-3, float(ends.max())) * 1.28)
            axes.locator_params(axis="x", nbins=5)
            axes.set_xticks([tick for tick in axes.get_xticks() if tick <= 1])  # room for the labels, not for values
            axes.grid(axis="y", visible=False)
            axes.tick_params(length=0)
        panels[0].set_yticks(places, names)
        panels[0].tick_params(axis="y", labelcolor=INK, labelsize=9)
        protocol = metrics["protocol"]
        parts = [protocol.get("dataset"), f"n = {metrics['samples']} test samples"]
        parts += [f"{k.replace('_', ' ')} {protocol[k]}" for k in ("history", "target_time") if k in protocol]
        figure.suptitle("  ·  ".join(str(p) for p in parts if p), x=0.01, ha="left", fontsize=9, color=SOFT)
        _save(figure, path)
    return True


def draw_curves(curves: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> bool:
    """
    Small multiples, one panel a metric, stages below one another. Training and held-out values share a panel.

    curves: stage -> rows {"step": s, metric: value, ...}; rows need not hold every metric.
    Returns whether there was anything to draw: a single point is no curve.
    """
    stages = {stage: _series(rows) for stage, rows in curves.items()}
    stages = {stage: panels for stage, panels in stages.items() if panels}
    if not stages:
        return False
    rows = {stage: math.ceil(min(len(panels), PANELS) / COLUMNS) for stage, panels in stages.items()}
    height = sum(HEAD + PANEL[1] * n for n in rows.values())
    width = PANEL[0] * COLUMNS
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        top = height  # of what is still to be drawn, in inches from below
        for stage, panels in stages.items():
            left_out = len(panels) - PANELS
            more = f"   ({left_out} more in the curve file)" if left_out > 0 else ""
            figure.text(0.1 / width, (top - 0.3) / height, f"{stage}{more}", fontsize=11, fontweight="bold")
            top -= HEAD
            for place, (metric, found) in enumerate(list(panels.items())[:PANELS]):
                row, column = divmod(place, COLUMNS)
                left, bottom = PANEL[0] * column + MARGIN[0], top - PANEL[1] * (row + 1) + MARGIN[1]
                size = (PANEL[0] - MARGIN[0] - 0.15) / width, (PANEL[1] - MARGIN[1] - 0.3) / height
                _draw_panel(figure.add_axes((left / width, bottom / height, *size)), metric, found)
            top -= PANEL[1] * rows[stage]
        _save(figure, path)
    return True


def _series(rows: Sequence[Mapping[str, float]]) -> dict[str, dict[bool, np.ndarray]]:
    """metric -> {held out?: float64 [m, 2] of (step, value)}, in order of first mention; single points are left out."""
    found: dict[str, dict[bool, list[tuple[float, float]]]] = {}
    for row in rows:
        for name, value in row.items():
            if name == "step" or not math.isfinite(value):
                continue
            prefix = next((p for p in HELD_OUT if name.startswith(p)), "")
            found.setdefault(name.removeprefix(prefix), {}).setdefault(bool(prefix), []).append((row["step"], value))
    arrays = {name: {held: np.array(points) for held, points in parts.items()} for name, parts in found.items()}
    return {name: parts for name, parts in arrays.items() if max(len(points) for points in parts.values()) > 1}


def _draw_panel(axes: Axes, metric: str, found: Mapping[bool, np.ndarray]) -> None:
    title = metric.replace("_", " ")
    axes.set_title(title if len(title) <= 32 else f"…{title[-31:]}", loc="left", fontsize=9)
    for held_out, points in sorted(found.items()):
        colour = VALIDATION if held_out else ACCENT
        step, value = points[np.argsort(points[:, 0], kind="stable")].T
        many = len(step) >= SMOOTHED_FROM
        mark = "o" if len(step) <= 12 else None
        axes.plot(step, value, color=colour, lw=0.7 if many else 1.5, alpha=0.3 if many else 1, marker=mark, ms=3)
        if many:
            axes.plot(step, _running_mean(value, max(5, len(step) // 20)), color=colour, lw=1.6)
        label = f"validation {value[-1]:.4g}" if held_out else f"{value[-1]:.4g}"
        axes.annotate(
            label, (1.0, 1.03 if len(found) == 1 or not held_out else 0.9), xycoords="axes fraction",
            ha="right", va="bottom", fontsize=8, color=colour,
        )  # fmt: skip
    axes.tick_params(length=0)
    axes.margins(x=0.02, y=0.12)
    axes.locator_params(axis="x", nbins=4, integer=True)
    axes.locator_params(axis="y", nbins=4)


def _running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Centred mean over `width` points, over fewer at the ends. [m] -> [m]."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    low, high = np.maximum(at - width // 2, 0), np.minimum(at + width // 2 + 1, len(values))
    mean: np.ndarray = (total[high] - total[low]) / (high - low)
    return mean


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})  # no version stamp: equal figures are equal bytes
