"""Drawing values on a grid of cells: squares, or hexagons in their shifted rows; a long line of cells is folded."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from refinepoi.quantizer.lattice import ROW_STEP, Lattice
from refinepoi.quantizer.winners import F64

INK, MUTED, PAPER, LAND = "#22252b", "#6b7280", "#ffffff", "#f3f4f6"
LONGEST_LINE = 24


def draw_values(
    axes: Axes, lattice: Lattice, values: F64, colours: str, low: float | None = None, high: float | None = None
) -> ScalarMappable:
    """One number a cell: float [nodes], NaN where there is none (shown in grey)."""
    shown = values[np.isfinite(values)]
    start = low if low is not None else float(shown.min()) if shown.size else 0.0
    end = high if high is not None else float(shown.max()) if shown.size else start
    scale = ScalarMappable(Normalize(start, end if end > start else start + 1), colours)
    rgba = scale.to_rgba(np.nan_to_num(values, nan=start))
    rgba[~np.isfinite(values)] = (0.905, 0.915, 0.93, 1)
    draw_colours(axes, lattice, rgba)
    return scale


def draw_colours(axes: Axes, lattice: Lattice, rgba: npt.NDArray[np.float64]) -> None:
    """One colour a cell: [nodes, 4]. Rows count downwards, as in the IDs."""
    height, width = shown_shape(lattice)
    if lattice.topology == "hexagonal" and height == lattice.height:
        corners = np.deg2rad(60 * np.arange(6) + 30)
        hexagon = np.stack([np.cos(corners), np.sin(corners)], 1) / 3**0.5
        middle = lattice.positions[:, ::-1]
        edges = [*rgba] if lattice.nodes > 400 else "white"
        axes.add_collection(
            PolyCollection([*(middle[:, None] + hexagon)], facecolors=[*rgba], edgecolors=edges, linewidths=0.4)
        )
        axes.set_xlim(-0.6, width + 0.1)
        axes.set_ylim((height - 1) * 3**0.5 / 2 + 0.7, -0.7)
    else:
        square = np.zeros((height * width, 4))
        square[: lattice.nodes] = rgba
        axes.imshow(square.reshape(height, width, 4), interpolation="nearest")
    axes.set_aspect("equal")
    axes.set_facecolor(PAPER)


def draw_filled(axes: Axes, lattice: Lattice, colours: F64, share: F64) -> None:
    """Cells in pale colours [nodes, 3], each filled to a share [nodes] of its area."""
    height, width = shown_shape(lattice)
    if lattice.topology == "hexagonal" and height == lattice.height:
        turn, middle, reach = np.deg2rad(60 * np.arange(6) + 30), lattice.positions[:, ::-1], 0.96 / 3**0.5
        axes.set_ylim((height - 1) * 3**0.5 / 2 + 0.7, -0.7)
    else:
        turn, reach = np.deg2rad(90 * np.arange(4) + 45), 0.96 / 2**0.5
        middle = np.stack(np.divmod(np.arange(lattice.nodes), width)[::-1], 1).astype(np.float64)
        axes.set_ylim(height - 0.4, -0.6)
    corners = reach * np.stack([np.cos(turn), np.sin(turn)], 1)
    axes.add_collection(
        PolyCollection([*(middle[:, None] + corners)], facecolors=[(*c, 0.28) for c in colours], linewidths=0)
    )
    some = share > 0
    inner = middle[some, None] + corners * np.sqrt(share[some])[:, None, None]
    axes.add_collection(PolyCollection([*inner], facecolors=[*colours[some]], linewidths=0))
    axes.set_xlim(-0.6, float(middle[:, 0].max()) + 0.6)
    axes.set_aspect("equal")


def plain(name: str) -> str:
    """A name as text: matplotlib reads $ as mathematics."""
    return str(name).replace("$", r"\$")


def shown_shape(lattice: Lattice) -> tuple[int, int]:
    """Rows and columns as drawn."""
    if lattice.height == 1 and lattice.width > LONGEST_LINE:
        columns = math.ceil(lattice.width**0.5)
        return -(-lattice.width // columns), columns
    return lattice.height, lattice.width


def panels(rows: int, columns: int, title: str, side: float = 4.6, beside: float = 0.75) -> tuple[Figure, list[Axes]]:
    """A figure of equal square panels, row by row. side, beside: inches of a panel and of what stands right of it."""
    figure = Figure(figsize=(max(columns * (side + beside), 5.6), rows * side + 0.9), layout="constrained")
    figure.suptitle(title, color=INK, fontsize=13)
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def bar(figure: Figure, axes: Axes, scale: ScalarMappable, label: str, whole: bool = False) -> None:
    """The colour scale beside a panel. whole: counts, with whole numbers at its ticks."""
    beside = figure.colorbar(scale, ax=axes, shrink=0.82, pad=0.02)
    beside.outline.set_visible(False)
    beside.ax.tick_params(labelsize=8, colors=MUTED, length=0)
    if whole:
        beside.ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    beside.set_label(label, color=MUTED, fontsize=9)


def quiet(axes: Axes) -> None:
    """No frame and no ticks."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(labelsize=8, colors=MUTED, length=0)
    axes.set_xticks([])
    axes.set_yticks([])


def row_and_column(axes: Axes, lattice: Lattice) -> None:
    """Name the axes of a grid; a folded line has none, and rows of hexagons lie closer than columns."""
    quiet(axes)
    if shown_shape(lattice) != (lattice.height, lattice.width):
        axes.set_xlabel("cells in rows of the line", color=MUTED, fontsize=9)
        return
    rows, columns = (np.arange(0, cells, -(-cells // 9)) for cells in (lattice.height, lattice.width))
    axes.set_yticks(rows * ROW_STEP[lattice.topology], [str(row) for row in rows])
    axes.set_xticks(columns, [str(column) for column in columns])
    axes.set_xlabel("column", color=MUTED, fontsize=9)
    axes.set_ylabel("row", color=MUTED, fontsize=9)


def save(figure: Figure, path: Path) -> None:
    """The same input gives the same bytes: no software name or time in the file."""
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=120, facecolor=PAPER, metadata={"Software": None})
