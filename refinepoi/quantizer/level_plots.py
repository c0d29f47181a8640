"""What one level's map holds: U-matrix and hit map, component planes, dominant categories, buckets."""

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.spatial import cKDTree

from refinepoi.quantizer.cells import (
    INK,
    LAND,
    MUTED,
    bar,
    draw_colours,
    draw_values,
    panels,
    plain,
    quiet,
    row_and_column,
    shown_shape,
)
from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.winners import F32, F64

Codes = npt.NDArray[np.integer]
DISTINCT = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6BB1", "#B8A200")
"""Okabe and Ito's colours, yellow and black (unreadable when faded) replaced."""
OTHER = "#9aa1ab"


def level_map(level: int, lattice: Lattice, codes: Codes, vectors: F32 | None) -> Figure:
    """U-matrix (where the level's nodes have vectors [nodes, D]) and hit map (POIs a cell). codes: [P]."""
    name = f"Level {level + 1}: {lattice.height}x{lattice.width} cells, {lattice.topology}"
    figure, axes = panels(1, 1 if vectors is None else 2, name)
    if vectors is not None:
        scale = draw_values(axes[0], lattice, u_matrix(vectors, lattice), "cividis_r")
        bar(figure, axes[0], scale, "distance in the embedding")
        axes[0].set_title("U-matrix: mean distance to neighbouring cells", color=INK, fontsize=10.5)
    hits = np.bincount(codes, minlength=lattice.nodes).astype(np.float64)
    used = int((hits > 0).sum())
    scale = draw_values(axes[-1], lattice, np.where(hits > 0, hits, np.nan), "viridis_r", low=0)
    bar(figure, axes[-1], scale, "places", whole=True)
    axes[-1].set_title(f"Hit map: places a cell ({used:,} of {lattice.nodes:,} used)", color=INK, fontsize=10.5)
    if lattice.nodes <= 100 and shown_shape(lattice) == (lattice.height, lattice.width):
        for (y, x), value in zip(lattice.positions, hits, strict=True):
            if value:
                dark = value > 0.55 * hits.max()
                axes[-1].text(
                    x, y, f"{value:.0f}", ha="center", va="center", fontsize=8, color="white" if dark else INK
                )
    for panel in axes:
        row_and_column(panel, lattice)
    return figure


def u_matrix(vectors: F32, lattice: Lattice) -> F64:
    """float64 [nodes]: mean distance of each node's vector [nodes, D] to those of its neighbours on the lattice."""
    pairs = neighbour_pairs(lattice)
    wide = vectors.astype(np.float64)
    gaps = np.linalg.norm(wide[pairs[:, 0]] - wide[pairs[:, 1]], axis=1)
    total, count = (
        np.bincount(pairs.ravel(), np.repeat(values, 2), minlength=lattice.nodes)
        for values in (gaps, np.ones(len(gaps)))
    )
    return total / np.maximum(count, 1)


def neighbour_pairs(lattice: Lattice) -> npt.NDArray[np.int64]:
    """int64 [n, 2]: every pair of adjacent nodes once (eight neighbours, or six on hexagons)."""
    size = [lattice.height, lattice.width] if lattice.topology == "toroidal" else None
    # Diagonals are 1.42 away and a second ring of hexagons 1.73.
    pairs: npt.NDArray[np.int64] = cKDTree(lattice.positions, boxsize=size).query_pairs(1.5, output_type="ndarray")
    return pairs.reshape(-1, 2)


def cell_means(values: F64, codes: Codes, nodes: int) -> F64:
    """float64 [nodes]: mean of values [P] (NaN: not known) over the POIs of each cell; NaN where there are none."""
    known = np.isfinite(values)
    total = np.bincount(codes[known], values[known], minlength=nodes)
    count = np.bincount(codes[known], minlength=nodes)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def component_planes(lattice: Lattice, codes: Codes, facts: dict[str, F64]) -> Figure:
    """A panel a quantity: its mean over the POIs of each level-1 cell. facts: name with unit -> [P]."""
    columns = min(4, len(facts))
    figure, axes = panels(-(-len(facts) // columns), columns, "Component planes: means over the places of a cell", 2.7)
    for panel, (name, values) in zip(axes, facts.items(), strict=False):
        scale = draw_values(panel, lattice, cell_means(values, codes, lattice.nodes), "viridis")
        bar(figure, panel, scale, "")
        panel.set_title(name, color=INK, fontsize=9.5)
        quiet(panel)
    for panel in axes[len(facts) :]:
        panel.set_axis_off()
    return figure


def category_map(lattice: Lattice, codes: Codes, categories: npt.NDArray[np.str_]) -> Figure:
    """The commonest category of each cell; the purer the cell, the stronger its colour."""
    names, kind = np.unique(categories, return_inverse=True)
    table = np.zeros((lattice.nodes, len(names)))
    np.add.at(table, (codes, kind.ravel()), 1)
    counts = table.sum(1)
    best, purity = table.argmax(1), table.max(1) / np.maximum(counts, 1)
    leads = np.bincount(best[counts > 0], minlength=len(names))  # cells a category is commonest in
    shown = [int(n) for n in np.lexsort((np.arange(len(names)), -leads))[: len(DISTINCT)] if leads[n]]
    palette = np.array([to_rgb(DISTINCT[shown.index(n)] if n in shown else OTHER) for n in range(len(names))])
    strength = (0.12 + 0.88 * purity)[:, None]
    rgba = np.column_stack([strength * palette[best] + 1 - strength, np.ones(lattice.nodes)])
    rgba[counts == 0] = (*to_rgb(LAND), 1)
    pure = f"{purity[counts > 0].mean():.0%} of a cell's places on average"
    figure, (axes,) = panels(1, 1, f"Commonest category of each level-1 cell ({pure})", 5.4, 3.7)
    draw_colours(axes, lattice, rgba)
    row_and_column(axes, lattice)
    handles = [
        Patch(color=palette[n], label=f"{plain(names[n])[:28]} ({leads[n]} {'cell' if leads[n] == 1 else 'cells'})")
        for n in shown
    ]
    if leads.sum() > leads[shown].sum():
        handles.append(Patch(color=OTHER, label=f"{int((leads > 0).sum()) - len(shown)} others"))
    for share in (0.25, 0.5, 1.0):
        handles.append(Patch(color=OTHER, alpha=0.12 + 0.88 * share, label=f"{share:.0%} of the cell's places"))
    figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=9, labelcolor=INK)
    return figure


def bucket_map(lattice: Lattice, first: Codes, final: Codes) -> Figure:
    """Where IDs are shared: POIs of each level-1 cell that had no ID of their own, and how many POIs bear one ID.

    first: [P, L] before the collision policy, final: [P, L or L + 1] after it.
    """
    before, after = (bucket_sizes(codes) for codes in (first, final))
    figure, (ground, counts) = panels(1, 2, "Buckets: places that bear the same ID")
    shared = cell_means((before > 1).astype(np.float64), first[:, 0], lattice.nodes)
    bar(figure, ground, draw_values(ground, lattice, 100 * shared, "cividis_r", 0, 100), "% of the cell's places")
    ground.set_title("Places whose ID was shared, before the policy", color=INK, fontsize=10.5)
    row_and_column(ground, lattice)
    edges = (1, 2, 3, 4, 5, 6, 9, 17)
    names = ["1", "2", "3", "4", "5", "6-8", "9-16", "17+"]
    for shift, sizes, name, colour in ((-0.2, before, "before", "#E69F00"), (0.2, after, "after", "#0072B2")):
        share = np.array(
            [((sizes >= a) & (sizes < b)).mean() for a, b in zip(edges, (*edges[1:], np.inf), strict=True)]
        )
        boxes = counts.bar(np.arange(len(names)) + shift, 100 * share, 0.38, color=colour, label=f"{name} the policy")
        labels = [f"{100 * value:.0f}" if value >= 0.005 else "" for value in share]
        counts.bar_label(boxes, labels, fontsize=8, color=MUTED)
    counts.set_title("Places by the number that bear their ID", color=INK, fontsize=10.5)
    counts.set_xticks(range(len(names)), names)
    counts.spines[["top", "right"]].set_visible(False)
    counts.tick_params(labelsize=8, colors=MUTED, length=0)
    counts.set_xlabel("places with the same ID", color=MUTED, fontsize=9)
    counts.set_ylabel("% of places", color=MUTED, fontsize=9)
    counts.set_box_aspect(1)
    counts.legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def bucket_sizes(codes: Codes) -> npt.NDArray[np.int64]:
    """int64 [P]: how many rows have the same codes as each row."""
    _, inverse, sizes = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    return sizes[inverse.ravel()]
