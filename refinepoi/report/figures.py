"""Figures of a comparison: effect of each setting, and parallel coordinates. Counters stand in them as dashed lines.

Each element of a configuration bears `data-configuration`, so that the page can mark and hide it.
"""

from markupsafe import Markup

from refinepoi.report.comparison import Comparison
from refinepoi.report.settings import Factor
from refinepoi.report.svg import Drawing, Scale, axis_left, tick_text, widened

PANEL = 340.0, 220.0
REFERENCES = 3
"""Counters drawn in one figure, the best ones."""


def effect_panels(comparison: Comparison, metric: str) -> list[Markup]:
    """One panel a setting: every configuration, and the mean over the others, at each of its values."""
    return [_effect(comparison, factor, metric) for factor in comparison.factors]


def _effect(comparison: Comparison, factor: Factor, metric: str) -> Markup:
    width, height = PANEL
    left, right, top, bottom = 46.0, width - 10, 34.0, height - 26
    drawing = Drawing(width, height, f"{metric} by {factor.key}: each configuration, and means with their spread")
    levels = factor.levels
    means = {
        split: [estimates.mean(c, metric) for c in range(len(comparison.configurations))]
        for split, estimates in comparison.estimates.items()
    }
    low, high = widened([value for values in means.values() for value in values], 0.15)
    split = comparison.splits[0]
    counters = [(m, comparison.estimates[split].mean(0, metric, m)) for m in comparison.counters[:REFERENCES]]
    inside = [(m, v) for m, v in counters if low - (high - low) <= v <= high + (high - low)]
    low, high = min([low, *(v for _, v in inside)]), max([high, *(v for _, v in inside)])
    y = Scale(low, high, bottom, top)
    axis_left(drawing, y, left, right)
    across = Scale(-0.5, len(levels) - 0.5, left, right)
    drawing.text(left - 40, 14, factor.key, "panel-title")
    outside = [f"{m} {v:.3f} {'↑' if v > high else '↓'}" for m, v in counters if (m, v) not in inside]
    if outside:
        drawing.text(right, 27, ", ".join(outside[:2]), "tick", "end")
    for m, v in inside:
        drawing.line(left, y(v), right, y(v), "counter")
        drawing.text(right, y(v) - 3, m, "tick", "end")
    for at, level in enumerate(levels):
        drawing.text(across(at), bottom + 17, _clip(level, 40 // len(levels) + 4), "tick strong", "middle")
    shifts = {s: (n - (len(means) - 1) / 2) * 0.16 for n, s in enumerate(means)}
    for s, values in means.items():
        middle, spread = [], []
        for at, level in enumerate(levels):
            members = [c for c, text in enumerate(factor.texts) if text == level]
            inner = [values[c] for c in members]
            x = across(at + shifts[s])
            middle.append((x, y(sum(inner) / len(inner))))
            spread.append((x, y(min(inner)), y(max(inner))))
            for c in members:
                number = comparison.configurations[c].number
                title = f"configuration {number}, {s}: {values[c]:.4f}"
                drawing.dot(x, y(values[c]), 3, f"dot {s}", title, data_configuration=str(number))
        for x, bottom_end, top_end in spread:
            drawing.line(x, bottom_end, x, top_end, f"spread {s}")
        drawing.path(middle, f"mean {s}")
        for x, place in middle:
            drawing.line(x - 7, place, x + 7, place, f"mean {s}")
    return drawing.markup("panel")


def parallel(comparison: Comparison, metric: str) -> Markup:
    """Each configuration a line over its settings to the metric; shade: rank on validation. Empty without settings."""
    if not comparison.factors:
        return Markup("")
    axes = len(comparison.factors) + len(comparison.splits)
    gap, left, top, bottom = min(230.0, max(130.0, 1080.0 / (axes - 1))), 70.0, 44.0, 304.0
    drawing = Drawing(
        left * 2 + gap * (axes - 1), bottom + 30, f"Settings of each configuration and its {metric}, as connected lines"
    )
    settings = [Scale(0, max(len(factor.levels) - 1, 0), bottom, top) for factor in comparison.factors]
    means = {
        split: [estimates.mean(c, metric) for c in range(len(comparison.configurations))]
        for split, estimates in comparison.estimates.items()
    }
    results = {split: Scale(*widened(values, 0.05), bottom, top) for split, values in means.items()}
    order = comparison.order(metric)
    for place, c in reversed(list(enumerate(order))):  # the best is drawn last, on top
        number = comparison.configurations[c].number
        heights = [s(f.levels.index(f.texts[c])) for f, s in zip(comparison.factors, settings, strict=True)]
        heights += [results[split](means[split][c]) for split in means]
        drawing.path(
            [(left + gap * axis, height) for axis, height in enumerate(heights)],
            f"wire shade{round(5 * place / max(len(order) - 1, 1))}",
            f"configuration {number}: {comparison.label(c)}",
            data_configuration=str(number),
        )
    for axis, (factor, scale) in enumerate(zip(comparison.factors, settings, strict=True)):
        x = left + gap * axis
        drawing.text(x, 18, _clip(factor.short, 24), "panel-title", "middle")
        drawing.line(x, top, x, bottom, "axis")
        for at, level in enumerate(factor.levels):
            drawing.text(
                x - 8, scale(at) + 4, _clip(level, 18), "tick strong pick", "end",
                data_key=factor.key, data_value=level, tabindex="0", role="button",
                aria_label=f"only {factor.key} {level}",
            )  # fmt: skip
    for axis, (split, scale) in enumerate(results.items(), len(settings)):
        x = left + gap * axis
        drawing.text(x, 18, split, f"panel-title {split}", "middle")
        drawing.text(x, 33, metric, "tick", "middle")
        drawing.line(x, top, x, bottom, "axis")
        for tick in scale.ticks(5):
            drawing.line(x, scale(tick), x + 5, scale(tick), "axis")
            drawing.text(x + 8, scale(tick) + 4, tick_text(tick), "tick")
    return drawing.markup("wide", fixed=True)


def strip(low: float, value: float, high: float, ends: tuple[float, float], split: str) -> Markup:
    """An interval as a bar in its table cell, in percent of the cell, so that it has no width of its own."""
    scale = Scale(*ends, 0, 100)
    a, at, b = scale(low), scale(value), scale(high)
    return Markup(
        f'<svg class="strip" aria-hidden="true"><line class="track" x1="0" y1="50%" x2="100%" y2="50%"/>'
        f'<line class="range {split}" x1="{a}%" y1="50%" x2="{b}%" y2="50%"/>'
        f'<circle class="dot {split}" cx="{at}%" cy="50%" r="4"/></svg>'
    )


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
