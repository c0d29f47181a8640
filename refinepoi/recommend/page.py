"""The map page: one HTML file with history, ranked places and a list; it needs no network and no map tiles.

Names are anybody's words: the page writes them as text only, and a content security policy keeps any other script out.
"""

from pathlib import Path
from typing import Any

import numpy as np

from refinepoi.core.seeding import generator
from refinepoi.core.webpage import assemble
from refinepoi.recommend.catalogue import Catalogue

PARTS = Path(__file__).parent / "page"
SCRIPTS = ("answer", "map", "list")
MOST_DOTS = 10_000
"""Of larger catalogues, so many places are drawn behind the answers."""


def write_page(path: Path, content: dict[str, Any], catalogue: Catalogue) -> None:
    path.write_text(page(content, catalogue), encoding="utf-8")


def page(content: dict[str, Any], catalogue: Catalogue) -> str:
    rows = np.arange(len(catalogue))
    if len(rows) > MOST_DOTS:
        rows = np.sort(generator(0, "page").permutation(len(rows))[:MOST_DOTS])
    ground = {
        "latitude": catalogue.latitude[rows].round(5).tolist(),
        "longitude": catalogue.longitude[rows].round(5).tolist(),
    }
    data = {"answers": content["answers"], "ground": ground}
    script = "\n" + "\n".join(_part(f"{name}.js") for name in SCRIPTS)
    return assemble("Next places", _part("page.html"), _part("page.css"), script, data)


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")
