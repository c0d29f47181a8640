"""Pictures of a quantizer. The one that says most: the city in the colours of its level-1 map, beside that map.

Drawn by matplotlib's Agg without global state; the same input gives the same bytes. Colours: cividis and viridis,
Okabe and Ito's for categories, a two-dimensional scale for cells (`colours.py`): colour-blind eyes tell
all of them apart.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.quantizer.cells import INK, LAND, draw_filled, plain, quiet, row_and_column, save, shown_shape
from refinepoi.quantizer.collisions import Resolved
from refinepoi.quantizer.colours import grid_colours
from refinepoi.quantizer.facts import place_facts
from refinepoi.quantizer.lattice import ROW_STEP, Lattice
from refinepoi.quantizer.level_plots import bucket_map, category_map, component_planes, level_map
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.quantizer import I32, Quantizer
from refinepoi.quantizer.winners import F32, F64


def draw_all(
    folder: Path, trajectories: Trajectories, places: Places, quantizer: Quantizer, first: I32, resolved: Resolved
) -> None:
    """All pictures as PNG files in `folder`. places: row for row the POIs; first: int32 [P, L], before the policy."""
    folder.mkdir(parents=True, exist_ok=True)
    codes, category = resolved.codes, places.category
    top = Lattice(*quantizer.grids[0], quantizer.topology)
    ground = np.column_stack([places.longitude, places.latitude])
    save(city_map(ground, codes[:, 0], top, category.tolist()), folder / "city_map.png")
    facts = place_facts(trajectories.pois, trajectories.checkins, places.vectors)
    save(component_planes(top, codes[:, 0], facts), folder / "component_planes.png")
    save(category_map(top, codes[:, 0], category), folder / "category_map.png")
    save(bucket_map(top, first, codes), folder / "bucket_map.png")
    for level, grid in enumerate(quantizer.grids):
        figure = level_map(level, Lattice(*grid, quantizer.topology), codes[:, level], node_vectors(quantizer, level))
        save(figure, folder / f"level_{level + 1}.png")


def node_vectors(quantizer: Quantizer, level: int) -> F32 | None:
    """float32 [nodes, D] of a level's nodes; None below level 1 where a node's vector depends on its prefix."""
    height, width = quantizer.grids[level]
    if quantizer.books is not None:
        return quantizer.books.weights[level]
    return quantizer.decode(np.arange(height * width, dtype=np.int32)[:, None], 1) if level == 0 else None


def city_map(
    place: F64, codes: npt.NDArray[np.integer], lattice: Lattice, categories: list[str] | None = None
) -> Figure:
    """POIs on the ground beside the level-1 grid, both in the same colours. place: [P, 2] longitude, latitude."""
    colours = grid_colours(lattice.height, lattice.width).reshape(-1, 3)
    figure = Figure(figsize=(13, 6.7), layout="constrained")
    ground, grid = figure.subplots(1, 2, width_ratios=(1, 1))
    figure.suptitle("The city in the colours of its level-1 map", color=INK, fontsize=14)
    order = np.argsort((codes * 7919) % 1009, kind="stable")  # no cell lies on top of all others
    size = float(np.clip(30_000 / max(len(place), 1), 6, 30))
    ground.scatter(*place[order].T, s=size, c=colours[codes[order]], linewidths=0, alpha=0.9)
    _frame_ground(ground, place)
    ground.set_title(f"{len(place):,} places, coloured by their cell", color=INK, fontsize=11)
    counts = np.bincount(codes, minlength=lattice.nodes)
    full = np.quantile(counts[counts > 0], 0.8)
    draw_filled(grid, lattice, colours, np.where(counts > 0, np.clip(counts / full, 0.015, 1), 0))
    grid.set_title(
        f"Level 1, {lattice.height}x{lattice.width} cells (filled area: how many places)", color=INK, fontsize=11
    )
    row_and_column(grid, lattice)
    if categories is not None:
        _name_regions(grid, codes, lattice, categories)
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
    quiet(axes)
    reach = 2 * half * 111.2  # kilometres across the window
    length = max((n for n in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500) if n < reach / 4), default=reach / 4)
    share = length / reach
    axes.plot([0.95 - share, 0.95], [0.04, 0.04], color=INK, linewidth=2, transform=axes.transAxes)
    axes.text(0.95 - share / 2, 0.05, f"{length:g} km", ha="center", va="bottom", fontsize=9, color=INK,
              transform=axes.transAxes, bbox={"facecolor": LAND, "linewidth": 0, "pad": 1.5})  # fmt: skip


def _name_regions(
    axes: Axes, codes: npt.NDArray[np.integer], lattice: Lattice, categories: list[str], most: int = 9
) -> None:
    """Write the most frequent categories where they are densest against all places, without overlap."""
    height, width = shown_shape(lattice)
    names, kind = np.unique(np.array(categories), return_inverse=True)
    kind = kind.ravel()
    counts = np.bincount(kind)
    everywhere = _blur(codes, lattice)  # along the line where it is drawn folded
    taken: list[tuple[float, float]] = []
    for number in np.argsort(-counts, kind="stable"):
        here = _blur(codes[kind == number], lattice)
        # Names are put where the category is frequent and more so than elsewhere.
        peak = int((here * here / (everywhere + 1e-9)).argmax())
        row, column = divmod(peak, width)
        down = row * ROW_STEP[lattice.topology] if height == lattice.height else row
        spot = (row / height, column / width)
        if any(abs(spot[0] - r) < 0.075 and abs(spot[1] - c) < 0.34 for r, c in taken):
            continue
        taken.append(spot)
        align = "left" if column < width * 0.25 else "right" if column > width * 0.75 else "center"
        axes.text(
            column + {"left": -0.4, "right": 0.4, "center": 0}[align], down, plain(names[number])[:26],
            ha=align, va="center", fontsize=9, color=INK,
            bbox={"boxstyle": "round,pad=0.22", "facecolor": "white", "alpha": 0.82, "linewidth": 0},
        )  # fmt: skip
        if len(taken) == most:
            break


def _blur(codes: npt.NDArray[np.integer], lattice: Lattice) -> F64:
    counts = np.bincount(codes, minlength=lattice.nodes).astype(np.float64)
    return lattice.smooth(counts[:, None], lattice.side / 16)[:, 0]
