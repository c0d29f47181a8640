"""Pictures of a quantizer: U-matrix and hit map of each level, and the city in the colours of its level-1 map.

Drawn by matplotlib's Agg without global state; the same input gives the same bytes.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from refinepoi.quantizer.collisions import Resolved
from refinepoi.quantizer.colours import grid_colours
from refinepoi.quantizer.fit import Quantized
from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.winners import F32, F64

INK, MUTED, PAPER = "#22252b", "#6b7280", "#ffffff"
LAND = "#f3f4f6"


def draw_all(folder: Path, x: F32, pois: pl.DataFrame, fitted: Quantized, resolved: Resolved) -> None:
    """Write city_map.png and level_<n>.png into `folder`. x: float32 [P, D]; pois: Trajectories.pois, row for row."""
    folder.mkdir(parents=True, exist_ok=True)
    height, width = fitted.grids[0]
    place = pois.select("longitude", "latitude").to_numpy()
    save(city_map(place, resolved.codes[:, 0], height, width, pois["category"].to_list()), folder / "city_map.png")
    for level, grid in enumerate(fitted.grids):
        weights = fitted.books.weights[level] if fitted.books else None
        save(level_map(level, grid, resolved.codes[:, level], weights), folder / f"level_{level + 1}.png")


def save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=130, facecolor=PAPER, metadata={"Software": None})


def city_map(
    place: F64, codes: npt.NDArray[np.integer], height: int, width: int, categories: list[str] | None = None
) -> Figure:
    """POIs on the ground beside the level-1 grid, both in the same colours. place: [P, 2] longitude, latitude."""
    colours = grid_colours(height, width).reshape(-1, 3)
    figure = Figure(figsize=(13, 6.7), layout="constrained")
    ground, grid = figure.subplots(1, 2, width_ratios=(1, 1))
    figure.suptitle("The city in the colours of its level-1 map", color=INK, fontsize=14)
    order = np.argsort((codes * 7919) % 1009, kind="stable")  # no cell lies on top of all others
    size = float(np.clip(30_000 / max(len(place), 1), 6, 30))
    ground.scatter(*place[order].T, s=size, c=colours[codes[order]], linewidths=0, alpha=0.9)
    _frame_ground(ground, place)
    ground.set_title(f"{len(place):,} places, coloured by their cell", color=INK, fontsize=11)
    _grid_of_cells(grid, codes, height, width, colours)
    if categories is not None:
        _name_regions(grid, codes, height, width, categories)
    return figure


def _frame_ground(axes: Axes, place: F64) -> None:
    """A square window on nearly all places, the same metres per inch both ways, with a scale bar."""
    low, high = np.quantile(place, [0.005, 0.995], axis=0)
    middle, shrink = (low + high) / 2, float(np.cos(np.deg2rad(place[:, 1].mean())))
    half = 0.54 * max(float((high - low)[0]) * shrink, float((high - low)[1]), 1e-4)  # degrees of latitude
    axes.set_xlim(middle[0] - half / shrink, middle[0] + half / shrink)
    axes.set_ylim(middle[1] - half, middle[1] + half)
    axes.set_box_aspect(1)
    axes.set_facecolor(LAND)
    _quiet(axes)
    reach = 2 * half * 111.2  # kilometres across the window
    length = max((n for n in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500) if n < reach / 4), default=reach / 4)
    share = length / reach
    axes.plot([0.95 - share, 0.95], [0.04, 0.04], color=INK, linewidth=2, transform=axes.transAxes)
    axes.text(0.95 - share / 2, 0.05, f"{length:g} km", ha="center", va="bottom", fontsize=9, color=INK,
              transform=axes.transAxes, bbox={"facecolor": LAND, "linewidth": 0, "pad": 1.5})  # fmt: skip


def _grid_of_cells(axes: Axes, codes: npt.NDArray[np.integer], height: int, width: int, colours: F64) -> None:
    counts = np.bincount(codes, minlength=height * width)
    sides = 0.96 * np.sqrt(np.where(counts > 0, np.clip(counts / np.quantile(counts[counts > 0], 0.8), 0.12, 1), 0))
    rows, columns = np.divmod(np.arange(height * width), width)
    frame = [Rectangle((c - 0.48, r - 0.48), 0.96, 0.96) for r, c in zip(rows, columns, strict=True)]
    axes.add_collection(PatchCollection(frame, facecolors=[(*c, 0.28) for c in colours], linewidths=0))
    boxes = [Rectangle((c - s / 2, r - s / 2), s, s) for r, c, s in zip(rows, columns, sides, strict=True) if s > 0]
    axes.add_collection(PatchCollection(boxes, facecolors=colours[sides > 0], linewidths=0))
    axes.set_xlim(-0.6, width - 0.4)
    axes.set_ylim(height - 0.4, -0.6)
    axes.set_aspect("equal")
    axes.set_title(f"Level-1 map, {height}x{width} cells (filled area: how many places)", color=INK, fontsize=11)
    _quiet(axes, keep_ticks=True)
    axes.set_xlabel("column", color=MUTED, fontsize=9)
    axes.set_ylabel("row", color=MUTED, fontsize=9)


def _name_regions(
    axes: Axes, codes: npt.NDArray[np.integer], height: int, width: int, categories: list[str], most: int = 9
) -> None:
    """Write the most frequent categories where they are densest against all places, without overlap."""
    names, kind = np.unique(np.array(categories), return_inverse=True)
    kind = kind.ravel()
    counts = np.bincount(kind)
    everywhere = _blur(np.bincount(codes, minlength=height * width).astype(np.float64), height, width)
    taken: list[tuple[float, float]] = []
    for number in np.argsort(-counts, kind="stable"):
        here = _blur(np.bincount(codes[kind == number], minlength=height * width).astype(np.float64), height, width)
        # Names are put where the category is frequent and more so than elsewhere.
        peak = int((here * here / (everywhere + 1e-9)).argmax())
        row, column = divmod(peak, width)
        spot = (row / height, column / width)
        if any(abs(spot[0] - r) < 0.075 and abs(spot[1] - c) < 0.34 for r, c in taken):
            continue
        taken.append(spot)
        align = "left" if column < width * 0.25 else "right" if column > width * 0.75 else "center"
        axes.text(
            column + {"left": -0.4, "right": 0.4, "center": 0}[align], row, names[number][:26], ha=align, va="center",
            fontsize=9, color=INK,
            bbox={"boxstyle": "round,pad=0.22", "facecolor": "white", "alpha": 0.82, "linewidth": 0},
        )  # fmt: skip
        if len(taken) == most:
            break


def _blur(values: F64, height: int, width: int) -> F64:
    return Lattice(height, width).smooth(values[:, None], max(height, width) / 16)[:, 0]


def level_map(level: int, grid: tuple[int, int], codes: npt.NDArray[np.integer], weights: F32 | None) -> Figure:
    """U-matrix (how far a cell's vector is from its neighbours') and hit map (POIs per cell) of one level."""
    height, width = grid
    figure = Figure(figsize=(11.4, 5.4) if weights is not None else (6, 5.4), layout="constrained")
    figure.suptitle(f"Level {level + 1}, {height}x{width}", color=INK, fontsize=13)
    panels: list[Axes] = list(figure.subplots(1, 1 if weights is None else 2, squeeze=False)[0])
    hits = np.bincount(codes, minlength=height * width).reshape(height, width).astype(float)
    hit_axes = panels[-1]
    if weights is not None:
        picture = panels[0].imshow(u_matrix(weights, height, width), cmap="magma_r", interpolation="nearest")
        _bar(figure, panels[0], picture, "distance")
        panels[0].set_title("U-matrix: mean distance to neighbouring cells", color=INK, fontsize=10.5)
    shown = np.ma.masked_equal(hits, 0)
    picture = hit_axes.imshow(shown, cmap="viridis_r", interpolation="nearest", vmin=0)
    _bar(figure, hit_axes, picture, "places")
    used = int((hits > 0).sum())
    hit_axes.set_title(f"Hit map: places per cell ({used:,} of {hits.size:,} cells used)", color=INK, fontsize=10.5)
    hit_axes.set_facecolor(LAND)
    if hits.size <= 100:
        top = hits.max()
        for (row, column), value in np.ndenumerate(hits):
            if value:
                hit_axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8,
                              color="white" if value > 0.55 * top else INK)  # fmt: skip
    for axes in panels:
        _quiet(axes, keep_ticks=True)
        axes.set_xlabel("column", color=MUTED, fontsize=9)
    panels[0].set_ylabel("row", color=MUTED, fontsize=9)
    return figure


def u_matrix(weights: F32, height: int, width: int) -> F64:
    """float64 [height, width]: mean distance of each node's weights to those of its up to eight neighbours."""
    cube = weights.reshape(height, width, -1).astype(np.float64)
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = (slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        b = (slice(dy, height), slice(max(0, dx), width + min(0, dx)))
        gap = np.linalg.norm(cube[a] - cube[b], axis=2)
        for part in (a, b):
            total[part] += gap
            count[part] += 1
    return total / np.maximum(count, 1)


def _bar(figure: Figure, axes: Axes, picture: object, label: str) -> None:
    bar = figure.colorbar(picture, ax=axes, shrink=0.82, pad=0.02)  # type: ignore[arg-type]
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=MUTED, length=0)
    bar.set_label(label, color=MUTED, fontsize=9)


def _quiet(axes: Axes, keep_ticks: bool = False) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(labelsize=8, colors=MUTED, length=0)
    if keep_ticks:
        axes.xaxis.set_major_locator(MaxNLocator(9, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(9, integer=True))
    else:
        axes.set_xticks([])
        axes.set_yticks([])
