"""Picture of the embeddings: their two main directions coloured by category, and the city coloured by the embedding.

Both panels show one thing each: whether alike POIs lie together (left), and whether the embedding changes smoothly over
the map while still telling neighbours apart (right). Deterministic: no random layout, no date in the file.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

Matrix = npt.NDArray[np.float64]
SHOWN = 10
GREY = "#c9ccd1"


def principal(vectors: npt.NDArray[np.float32], components: int) -> Matrix:
    """Coordinates on the main directions, [P, components]; the largest entry of each direction is positive."""
    centred = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    directions = directions[:, ::-1][:, :components]
    directions = directions * np.sign(directions[np.abs(directions).argmax(0), np.arange(directions.shape[1])])
    coordinates = centred @ directions
    return np.pad(coordinates, ((0, 0), (0, components - coordinates.shape[1])))


def draw_embedding_map(
    vectors: npt.NDArray[np.float32],
    groups: npt.NDArray[np.int64],
    names: Sequence[str],
    places: Matrix,
    path: Path,
) -> None:
    """vectors [P, D], groups [P] into names (-1: none), places [P, 2] = latitude, longitude; writes a PNG to `path`."""
    coordinates = principal(vectors, 3)
    sizes = np.bincount(groups[groups >= 0], minlength=len(names))
    shown = [g for g in np.argsort(-sizes, kind="stable")[:SHOWN].tolist() if sizes[g] > 0]
    dot = float(np.clip(20_000 / max(1, len(vectors)), 4, 22))
    figure = Figure(figsize=(13, 6.4), dpi=110, layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)

    rest = ~np.isin(groups, shown)
    left.scatter(*coordinates[rest, :2].T, s=dot * 0.6, color=GREY, linewidths=0, label=f"other ({int(rest.sum())})")
    for colour, group in zip(mpl.colormaps["tab10"].colors, shown, strict=False):  # type: ignore[attr-defined]
        rows = groups == group
        label = f"{names[group][:28]} ({int(rows.sum())})".replace("$", r"\$")
        left.scatter(*coordinates[rows, :2].T, s=dot, color=colour, linewidths=0, alpha=0.85, label=label)
    left.set_title("POI embeddings: two main directions, by category", loc="left", fontsize=11)
    left.set_xticks([])
    left.set_yticks([])
    legend = left.legend(loc="upper left", bbox_to_anchor=(0, -0.01), ncols=3, fontsize=8, frameon=False)
    for handle in legend.legend_handles:
        handle.set_sizes([30])

    ranks = coordinates.argsort(0, kind="stable").argsort(0, kind="stable") / max(1, len(coordinates) - 1)
    right.scatter(places[:, 1], places[:, 0], s=dot, c=0.1 + 0.8 * ranks, linewidths=0)
    right.set_aspect(1 / max(0.05, float(np.cos(np.radians(places[:, 0].mean())))))
    right.set_title("The same on the map: colour = place in the embedding", loc="left", fontsize=11)
    right.tick_params(labelsize=8, color=GREY)
    for axes in (left, right):
        for spine in axes.spines.values():
            spine.set_color(GREY)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
