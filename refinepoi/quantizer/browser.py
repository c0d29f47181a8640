"""The ID browser: one HTML page that shows what every cell holds and where that lies. It needs no network.

The level-1 map stands beside the city in the same two-dimensional colours; a cell, a category or a POI can be pointed
at, focused, searched and opened level by level. Data stands in the page as JSON in which no character can end the
script element, and the page only ever writes it as text: names of places and categories are anybody's words. A content
security policy with the hashes of the page's own script and style forbids all else.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.artifacts.semantic_ids import LEVEL_LETTERS, SemanticIds
from refinepoi.core.seeding import generator
from refinepoi.core.webpage import assemble
from refinepoi.quantizer.colours import grid_colours
from refinepoi.quantizer.lattice import Topology

PARTS = Path(__file__).parent / "page"
SCRIPTS = ("things", "grid", "details", "map", "search", "start")
MOST_POIS = 50_000
"""Larger catalogues are shown by a sample of this many POIs."""


def write_page(path: Path, ids: SemanticIds, pois: pl.DataFrame, topology: Topology = "rectangular") -> None:
    """pois: Trajectories.pois, row for row with ids.codes."""
    path.write_text(page(ids, pois, topology), encoding="utf-8")


def page(ids: SemanticIds, pois: pl.DataFrame, topology: Topology = "rectangular") -> str:
    """The whole page. About 50 bytes a POI."""
    script = "\n" + "\n".join(_part(f"{name}.js") for name in SCRIPTS)
    return assemble("Semantic IDs", _part("page.html"), _part("page.css"), script, page_data(ids, pois, topology))


def page_data(ids: SemanticIds, pois: pl.DataFrame, topology: Topology) -> dict[str, Any]:
    """What the page knows. Columns instead of rows; colours as #rrggbb, one a cell of level 1."""
    rows = np.arange(len(ids.codes))
    if len(rows) > MOST_POIS:
        rows = np.sort(generator(0, "page").permutation(len(rows))[:MOST_POIS])
    shown = pois[rows]
    categories, kind = np.unique(shown["category"].to_numpy().astype(str), return_inverse=True)
    return {
        "grids": [list(grid) for grid in ids.grids],
        "letters": LEVEL_LETTERS[: ids.levels],
        "topology": topology,
        "colours": hex_colours(grid_colours(*ids.grids[0])),
        "codes": ids.codes[rows].T.tolist(),
        "categories": categories.tolist(),
        "category": kind.ravel().tolist(),
        "poi": shown["poi_id"].to_list(),
        "latitude": shown["latitude"].round(5).to_list(),
        "longitude": shown["longitude"].round(5).to_list(),
        "pois": len(ids.codes),
        "quantizer": str(ids.report.get("quantizer", "")),
        "facts": _facts(ids),
    }


def hex_colours(colours: npt.NDArray[np.float64]) -> list[str]:
    """[..., 3] sRGB in 0..1 -> #rrggbb, flattened row by row."""
    return ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in np.rint(255 * colours.reshape(-1, 3)).astype(int).tolist()]


def _facts(ids: SemanticIds) -> list[tuple[str, str]]:
    """A few figures of the whole, as text."""
    used = [len(np.unique(ids.codes[:, level])) for level in range(ids.levels)]
    facts = [
        (f"Level {level + 1}", f"{used[level]:,} of {h * w:,} cells used") for level, (h, w) in enumerate(ids.grids)
    ]
    report, prefixed = ids.report.get("ids", {}), ids.report.get("prefixes", [])
    if "collision_rate_before" in report:
        facts.append(("Collisions at first", f"{report['collision_rate_before']:.1%}"))
    facts.append((f"Collisions after {ids.policy.replace('_', ' ')}", f"{ids.collision_rate:.1%}"))
    for prefixes, name in ((prefixed[:1], "NICC, level 1"), (prefixed[-1:], "NICC, whole ID")):
        facts += [(name, f"{prefix['nicc']:.1f} × chance") for prefix in prefixes if prefix["nicc"] is not None]
    return facts


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")
