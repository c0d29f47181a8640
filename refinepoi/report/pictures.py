"""Pictures of the semantic IDs side by side: each different set of IDs once, with the configurations that use it."""

import base64
import io
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from PIL import Image

from refinepoi.core.spec import digest
from refinepoi.report.comparison import Comparison
from refinepoi.report.runs import Run
from refinepoi.report.tables import Cell, Column, Row, Table

STAGE = "semantic_ids"
WIDEST = 760  # pixels
MOST = 12
"""Sets of IDs whose pictures are shown."""


@dataclass(frozen=True)
class Picture:
    title: str
    source: str
    """A data: address."""
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class IdSet:
    """One set of semantic IDs: the configurations and the run it comes from, its quality, its pictures."""

    numbers: tuple[int, ...]
    run: str
    figures: dict[str, float]
    pictures: list[Picture]


def id_sets(comparison: Comparison) -> list[IdSet]:
    """In the order of the configurations. Sets are the same where their figures and pictures are."""
    members: dict[str, list[int]] = {}
    runs: dict[str, Run] = {}
    for configuration in comparison.configurations:
        for run in configuration.runs:
            if STAGE in run.stages:
                files = [sha256(file.read_bytes()).hexdigest() for file in run.pictures(STAGE)]
                key = digest([files, run.curves.get(STAGE, [])])
                runs.setdefault(key, run)
                members.setdefault(key, []).append(configuration.number)
    found = []
    for place, (key, run) in enumerate(runs.items()):
        rows = run.curves.get(STAGE, [])
        figures = {n: v for row in rows for n, v in row.items() if n.startswith("ids/")}
        pictures = [embed(file) for file in run.pictures(STAGE)] if place < MOST else []
        found.append(IdSet(tuple(dict.fromkeys(members[key])), run.folder.name, figures, pictures))
    return found


def quality_table(sets: list[IdSet]) -> Table:
    """Figures of the IDs, one column a set."""
    names = dict.fromkeys(name for ids in sets for name in ids.figures)
    columns = [Column("figure", "text")]
    columns += [Column(", ".join(map(str, ids.numbers)), "number", f"from run {ids.run}") for ids in sets]
    rows = [
        Row((Cell(_said(name), name), *(_figure(ids.figures.get(name)) for ids in sets)))
        for name in names
    ]  # fmt: skip
    return Table("semantic_ids", "Semantic IDs", tuple(columns), tuple(rows))


def embed(file: Path) -> Picture:
    """A picture as WebP inside the page, no wider than `WIDEST`."""
    with Image.open(file) as image:
        picture = image.convert("RGB")
    picture.thumbnail((WIDEST, 4 * WIDEST))
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=82)
    source = f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
    return Picture(file.stem.replace("_", " "), source, *picture.size)


def _said(name: str) -> str:
    return name.removeprefix("ids/").replace("_", " ")


def _figure(value: float | None) -> Cell:
    return Cell("–" if value is None else f"{value:.4g}", value)
