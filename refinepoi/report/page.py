"""The page: one HTML file with style, script, figures and pictures inside; it needs no network.

Jinja escapes every value; a content security policy allows only this page's own script and style, by their hashes, so
that a name or an override can never run.
"""

import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from refinepoi import __version__
from refinepoi.core import webpage
from refinepoi.report import figures, pictures, tables
from refinepoi.report.comparison import Comparison
from refinepoi.report.curves import COLOURS, colour, curve_sections
from refinepoi.report.runs import Run
from refinepoi.report.settings import common_overrides, own_overrides
from refinepoi.report.spec import ReportSpec
from refinepoi.report.svg import tick_text

TEMPLATE = Path(__file__).parent / "template"
SAID = (
    "dataset", "split", "samples", "validation", "test", "history", "target_time", "catalogue", "ties",
    "metrics_version",
)  # fmt: skip
"""Facts of the protocol that stand at the head; the others are in each run's metrics.json."""


def write_page(
    path: Path, found: Sequence[Comparison], warnings: Sequence[str], runs: Sequence[Run],
    names: dict[Run, str], spec: ReportSpec,
) -> None:  # fmt: skip
    """names: what a run is called on the page."""
    path.write_text(page(found, warnings, runs, names, spec), encoding="utf-8")


def page(
    found: Sequence[Comparison], warnings: Sequence[str], runs: Sequence[Run], names: dict[Run, str], spec: ReportSpec
) -> str:
    numbers = {run: c.number for comparison in found for c in comparison.configurations for run in c.runs}
    every = max(numbers.values())
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "broken": lambda text: Markup(str(escape(text)).replace(".", ".<wbr>")),
        "parts": lambda rows: [list(part) for _, part in groupby(rows, key=lambda row: row.configuration > 0)],
        "chip": lambda number: colour(number, every),
    }
    style, script = (Markup((TEMPLATE / f"page.{kind}").read_text(encoding="utf-8")) for kind in ("css", "js"))
    failed = [run for run in runs if run.status != "done"]
    common = common_overrides(runs)
    seeds = sorted({c.seeds for comparison in found for c in comparison.configurations})
    told = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    drawn = "whole users" if spec.unit == "user" else "samples"
    return environment.get_template("page.html").render(
        title=f"{len(numbers)} run{'s' if len(numbers) > 1 else ''}, {every} configuration{'s' if every > 1 else ''}",
        subtitle=f"{told} seed{'s' if told != '1' else ''} a configuration · refinepoi {__version__}",
        policy=f"default-src 'none'; base-uri 'none'; img-src data:; "
        f"style-src {source(style)}; script-src {source(script)}",
        style=style,
        script=script,
        metrics=list(dict.fromkeys(metric for comparison in found for metric in comparison.metrics)),
        metric=spec.metric,
        choices=_choices(found),
        warnings=warnings,
        failed=[
            {
                "name": names[r],
                "status": r.status,
                "error": r.error,
                "log": r.log,
                "overrides": own_overrides(r, common),
            }
            for r in failed
        ],
        runs=len(runs),
        comparisons=[_content(comparison, spec, every) for comparison in found],
        run_table=tables.runs_table(runs, numbers, names),
        common=" ".join(common),
        stacked=("ranking", "own", "runs"),
        about=f"Intervals: {spec.confidence:.0%} paired bootstrap over {drawn}, {spec.resamples} resamples; where "
        "there are several seeds, they are drawn too.",
        level=f"{spec.confidence:.0%}",
        data=in_script(_data(found)),
        strip=figures.strip,
        footer="Made by refinepoi goal=report. Everything is in this file; the tables are beside it as Markdown, LaTeX "
        "and CSV.",
    )


def _content(comparison: Comparison, spec: ReportSpec, every: int) -> dict[str, Any]:
    """What the template says of one protocol."""
    metrics = comparison.metrics
    sets = pictures.id_sets(comparison)
    protocol = comparison.protocol
    found = comparison.configurations
    return {
        "protocol": [(name.replace("_", " "), _fact(protocol[name])) for name in SAID if name in protocol],
        "cards": _cards(comparison, spec),
        "single": all(c.seeds == 1 for c in found),
        "seeds": any(c.seeds > 1 for c in found),
        "several": len(found) > 1,
        "top": metrics[-2],
        "balanced": len(found) == math.prod(len(factor.levels) for factor in comparison.factors),
        "references": [
            {"number": c.number, "label": comparison.label(n), "chosen": n == comparison.reference}
            for n, c in enumerate(found)
        ],
        "metrics": metrics,
        "first": comparison.splits[0],
        "heads": 2 + len(comparison.factors),
        "ranking": {metric: tables.ranking_table(comparison, metric) for metric in metrics},
        "parallel": {metric: figures.parallel(comparison, metric) for metric in metrics},
        "effects": {metric: figures.effect_panels(comparison, metric) for metric in metrics},
        "effect_table": {metric: tables.effect_table(comparison, metric) for metric in metrics},
        "own": {metric: tables.own_table(comparison, metric) for metric in metrics},
        "all": tables.metrics_table(comparison),
        "curves": curve_sections(comparison),
        "legend": [{"number": c.number, "label": comparison.label(n)} for n, c in enumerate(found)]
        if len(found) > 1 and every <= COLOURS
        else [],
        "strata": {metric: tables.strata_table(comparison, metric) for metric in metrics},
        "id_sets": sets,
        "hidden_sets": max(0, len(sets) - pictures.MOST),
        "pictures": _side_by_side(comparison, sets),
        "quality": pictures.quality_table(sets),
    }


def _cards(comparison: Comparison, spec: ReportSpec) -> list[dict[str, str]]:
    """The answer in short: best on validation, its test value, what it gains over reference, warm start, counters."""
    metric, first = spec.metric, comparison.splits[0]
    best = comparison.order(metric)[0]
    chosen = comparison.configurations[best]
    cards = [
        {
            "title": f"Best on {first}",
            "figure": f"{comparison.estimates[first].mean(best, metric):.3f}",
            "text": f"{metric}, configuration {chosen.number}. {comparison.label(best)}",
        }
    ]
    last = comparison.splits[-1]
    estimates = comparison.estimates[last]
    if last != first:
        low, high = estimates.interval(best, metric)
        spread = estimates.spread(best, metric)
        seeds = f", sd {spread:.3f} over {chosen.seeds} seeds" if spread is not None else ""
        text = f"{metric}, {spec.confidence:.0%} interval {low:.3f} to {high:.3f}{seeds}"
        cards.append({"title": "The same on test", "figure": f"{estimates.mean(best, metric):.3f}", "text": text})
    if best != comparison.reference:
        gain = comparison.against(last, metric, comparison.reference)[best]
        if gain:
            reference = comparison.configurations[comparison.reference].number
            cards.append(_gain(f"Over configuration {reference}", gain[0], gain[1], last))
    for method in tables.own_methods(comparison)[:2]:
        by = tables.fair(comparison, metric, method)
        difference = estimates.difference(by, best, best, against=method)
        title = "Gained by GRPO" if method == "warm_start" else f"Over {method}"
        cards.append(_gain(title if by == metric else f"{title}, {by}", difference, difference.p, last))
    return cards


def _gain(title: str, gain: Any, p: float, split: str) -> dict[str, str]:
    text = f"{gain.low:+.3f} to {gain.high:+.3f} on {split}, {tables.p_text(p)}"
    return {"title": title, "figure": f"{gain.mean:+.3f}", "text": text}


def _choices(found: Sequence[Comparison]) -> list[dict[str, Any]]:
    """One filter a setting that differs, over all protocols."""
    levels: dict[str, dict[str, None]] = {}
    shorts = {}
    for comparison in found:
        for factor in comparison.factors:
            levels.setdefault(factor.key, {}).update(dict.fromkeys(factor.levels))
            shorts[factor.key] = factor.short
    return [{"key": key, "short": shorts[key], "levels": list(values)} for key, values in levels.items()]


def _side_by_side(comparison: Comparison, sets: Sequence[pictures.IdSet]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Picture title -> that picture of every set of IDs."""
    every = len(comparison.configurations)
    rows: dict[str, list[dict[str, Any]]] = {}
    for ids in sets:
        shared = len(ids.numbers) == every > 1
        who = "all configurations" if shared else f"configuration {', '.join(map(str, ids.numbers))}"
        first = next(n for n, c in enumerate(comparison.configurations) if c.number == ids.numbers[0])
        label = "" if shared or every == 1 else f": {comparison.label(first)}"
        for picture in ids.pictures:
            entry = {"numbers": " ".join(map(str, ids.numbers)), "caption": f"{who}, run {ids.run}{label}"}
            rows.setdefault(picture.title, []).append(entry | {"picture": picture})
    return list(rows.items())


def _fact(fact: Any) -> str:
    return tick_text(fact) if isinstance(fact, float) else str(fact)


def _data(found: Sequence[Comparison]) -> dict[str, Any]:
    """What the script needs: settings of each configuration, and all differences (rounded, for show)."""
    settings = {
        c.number: {f.key: f.texts[n] for f in comparison.factors}
        for comparison in found
        for n, c in enumerate(comparison.configurations)
    }
    content = []
    for comparison in found:
        names = [c.number for c in comparison.configurations]
        gains: dict[str, Any] = {}
        for metric in comparison.metrics:
            for split in comparison.splits:
                gains.setdefault(metric, {})[split] = {
                    name: {
                        other: [round(v, 5) for v in (g[0].mean, g[0].low, g[0].high, g[1])]
                        for other, g in zip(names, comparison.against(split, metric, n), strict=True)
                        if g
                    }
                    for n, name in enumerate(names)
                }
        content.append({"splits": comparison.splits, "gains": gains})
    return {"settings": settings, "comparisons": content}


def in_script(value: Any) -> Markup:
    return Markup(webpage.in_script(value))


def source(text: str) -> Markup:
    return Markup(webpage.source(text))
