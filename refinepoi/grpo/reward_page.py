"""The reward report for people: one HTML page without other files, with a picture of distributions and correlations."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from refinepoi.grpo.reward_figures import TOTAL

STYLE = """
body{font:14px/1.45 system-ui,sans-serif;max-width:1080px;margin:24px auto;padding:0 16px;color:#222}
h1{font-size:22px;margin:0}h2{font-size:15px;margin:22px 0 6px}img{max-width:100%}
table{border-collapse:collapse;font-size:13px}td,th{padding:3px 10px;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}td{font-variant-numeric:tabular-nums}
"""
COLUMNS = ("term", "weight", "mean", "spread", "within", "zero_variance", "signal")
MEANING = (
    "within: mean standard deviation inside a group, which is what GRPO learns from. zero variance: share of groups "
    "whose answers all earn the same. signal: weight times within, as a share of all terms."
)


def page(content: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The whole page of `RewardReport.content`. pictures: name of a sampler -> PNG."""
    body = ["<h1>What the reward pays for, before any training</h1>"]
    body += [
        "<h2>To look at</h2><ul>",
        *(f"<li>{escape(hint)}</li>" for hint in content["hints"] or ["nothing"]),
        "</ul>",
    ]
    body.append("<h2>What answers earn that understand nothing</h2>")
    columns = answer_columns(content)
    body.append(table(columns, [[row[column] for column in columns] for row in content["answers"]]))
    for sampler, figures in content["samplers"].items():
        body.append(
            f"<h2>Samples of the warm start: {escape(sampler)}, {figures['prompts']} training prompts, "
            f"{figures['group']} answers each</h2><p>{MEANING}</p>"
        )
        body.append(table(COLUMNS, [[row[column] for column in COLUMNS] for row in figures["terms"]]))
        png = base64.b64encode(pictures[sampler]).decode()
        body.append(f"<p><img alt='Distributions and correlations' src='data:image/png;base64,{png}'></p>")
    title = "<title>Reward report</title>"
    return f"<!doctype html><html lang='en'><meta charset='utf-8'>{title}<style>{STYLE}</style>{''.join(body)}</html>"


def answer_columns(content: Mapping[str, Any]) -> list[str]:
    """`answer`, then the terms in their order."""
    return ["answer", *(row["term"] for row in next(iter(content["samplers"].values()))["terms"])]


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(column.replace('_', ' '))}</th>" for column in columns)
    cells = ("".join(f"<td>{escape(shown(value))}</td>" for value in row) for row in rows)
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def draw(figures: Mapping[str, Any]) -> bytes:
    """A histogram of each term (share of answers, log scale) and the matrix of correlations, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    terms = figures["terms"]
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.5, 1))[0]
    panels = left.subplots(-(-len(terms) // 4), 4, squeeze=False).ravel()
    for axes, row in zip(panels, terms, strict=False):
        share = np.array(row["counts"]) / max(1, sum(row["counts"]))
        axes.bar(row["edges"][:-1], share, np.diff(row["edges"]), align="edge", color="#4c72b0")
        axes.axvline(row["mean"], color="#c0271d", linewidth=1)
        axes.set_title(f"{row['term']} x {row['weight']:g}" if row["term"] != TOTAL else TOTAL, fontsize=8)
        axes.set_yscale("log")
        axes.set_ylim(5e-4, 1.5)
        axes.tick_params(labelsize=6)
    for axes in panels[len(terms) :]:
        axes.set_axis_off()
    matrix = np.array([[np.nan if r is None else r for r in row] for row in figures["correlation"]])
    axes, names = right.subplots(), [row["term"] for row in terms]
    axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    for a, b in zip(*np.nonzero(~np.isnan(matrix)), strict=True):
        ink = "white" if abs(matrix[a, b]) > 0.6 else "black"
        axes.text(b, a, f"{matrix[a, b]:.1f}", ha="center", va="center", fontsize=6, color=ink)
    axes.set_title("correlation (blank: a constant term)", fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()
