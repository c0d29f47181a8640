"""Small drawings as SVG text: panels with axes that share the page's colours, width and print.

Hand-written instead of plotly: a page is 0.2 MB instead of 5, its colours follow the theme and the printer because they
are the page's own CSS, text stays readable at phone width, parallel coordinates need no WebGL, and pointing at a
configuration marks it in every table and figure at once. Colours and strokes are in `template/page.css`, by class.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator


@dataclass(frozen=True)
class Scale:
    """A linear map of [low, high] onto [start, end] (drawing units)."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        return round(self.start + (self.end - self.start) * ((value - self.low) / span if span else 0.5), 2)

    def ticks(self, count: int, whole: bool = False) -> list[float]:
        ticks = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(self.low, self.high)
        room = 1e-9 * max(abs(self.low), abs(self.high), 1e-300)
        return [float(t) for t in ticks if self.low - room <= t <= self.high + room]


def widened(values: Sequence[float], share: float = 0.08) -> tuple[float, float]:
    """Least and most of some values with a margin; never an empty range."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = (high - low) * share or abs(high) * share or 1.0
    return low - margin, high + margin


def tick_text(value: float) -> str:
    text = f"{value:.4g}"
    return "0" if float(text) == 0 else text.replace("e-0", "e-").replace("e+0", "e")


@dataclass
class Drawing:
    """Elements in drawing units. label: what a screen reader says."""

    width: float
    height: float
    label: str
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, name: str = "", anchor: str = "start", **extra: str) -> None:
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{_attributes(name, extra)}>{escape(text)}</text>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, name: str, **extra: str) -> None:
        self.parts.append(f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"{_attributes(name, extra)}/>')

    def dot(self, x: float, y: float, radius: float, name: str, title: str = "", **extra: str) -> None:
        hint = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}"{_attributes(name, extra)}>{hint}</circle>')

    def path(self, points: Sequence[tuple[float, float]], name: str, title: str = "", **extra: str) -> None:
        """A line through some points."""
        hint = f"<title>{escape(title)}</title>" if title else ""
        steps = "L".join(f"{x:g} {y:g}" for x, y in points)
        self.parts.append(f'<path d="M{steps}"{_attributes(name, extra)}>{hint}</path>')

    def area(self, points: Sequence[tuple[float, float]], name: str, **extra: str) -> None:
        steps = "L".join(f"{x:g} {y:g}" for x, y in points)
        self.parts.append(f'<path d="M{steps}Z"{_attributes(name, extra)}/>')

    def markup(self, name: str, fixed: bool = False) -> Markup:
        """fixed: never scaled, so that a wide drawing is scrolled on a phone; others take the width they are given."""
        size = f' width="{self.width:g}" height="{self.height:g}"' if fixed else ""
        head = f'<svg viewBox="0 0 {self.width:g} {self.height:g}"{size} role="img"{_attributes(name, {})}>'
        return Markup(f"{head}<title>{escape(self.label)}</title>{''.join(self.parts)}</svg>")


def axis_left(drawing: Drawing, scale: Scale, left: float, right: float, count: int = 4) -> None:
    """Grid lines with their values."""
    for tick in scale.ticks(count):
        y = scale(tick)
        drawing.line(left, y, right, y, "grid")
        drawing.text(left - 6, y + 3.5, tick_text(tick), "tick", "end")


def thinned(points: np.ndarray, most: int) -> np.ndarray:
    """At most `most` points of a long curve [n, 1 + m]: means of neighbours in equal parts."""
    if len(points) <= most:
        return points
    return np.stack([part.mean(0) for part in np.array_split(points, most)])


def _attributes(name: str, extra: dict[str, str]) -> str:
    named = {"class": name} if name else {}
    return "".join(f' {key.replace("_", "-")}="{escape(value)}"' for key, value in {**named, **extra}.items())
