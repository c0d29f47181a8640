"""Alignment tasks: what an ID means, in words, for pretrained models that know words but no IDs.

    place  Which place is <A_1,2><B_3,4>?                               Coffee Shop, 3.2 km north-east of the centre
    find   Which place is this: Coffee Shop, 3.2 km north-east of the centre?      <A_1,2><B_3,4>
    near   Which places are nearest to <A_1,2><B_3,4>?                  <A_1,2><B_3,5><A_1,1><B_0,0> ...

Neighbours are those on the map, nearest first; neighbours on the grids need no words, they are written in the IDs.
Categories and coordinates are known of every place; nobody's check-ins are read. Several places may share a text.
"""

import numpy as np
import polars as pl
from scipy.spatial import KDTree

from refinepoi.artifacts.prompts import ALIGNMENT
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.prompt.area import centre, offset, where
from refinepoi.prompt.sanitise import sanitise

NEIGHBOURS = 5
QUERIED = 8  # times as many are looked at: places that share a point or an ID are passed over


def alignment_pairs(pois: pl.DataFrame, semantic_ids: SemanticIds) -> pl.DataFrame:
    """One row a task and place (`ALIGNMENT`), in this order. pois: the catalogue; of it those of training."""
    known = np.flatnonzero(pois["in_train"].to_numpy())
    north, east = offset(pois["latitude"].to_numpy()[known], pois["longitude"].to_numpy()[known], centre(pois))
    names = [sanitise(name) for name in pois["category"].gather(known)]
    texts = [f"{name}, {where(n, e)}" for name, n, e in zip(names, north.tolist(), east.tolist(), strict=True)]
    ids = [semantic_ids.texts[poi] for poi in known]
    near = _nearest(np.stack([north, east], axis=1), ids)
    rows = [("place", f"Which place is {one}?", text) for one, text in zip(ids, texts, strict=True)]
    rows += [("find", f"Which place is this: {text}?", one) for one, text in zip(ids, texts, strict=True)]
    rows += [("near", f"Which places are nearest to {one}?", "".join(n)) for one, n in zip(ids, near, strict=True) if n]
    return pl.DataFrame(rows, schema=ALIGNMENT, orient="row")


def _nearest(points: np.ndarray, ids: list[str]) -> list[list[str]]:
    """For each place the IDs of the nearest others, nearest first, each once. points: [n, 2] kilometres."""
    if len(ids) < 2:
        return [[] for _ in ids]
    _, found = KDTree(points).query(points, k=min(len(ids), QUERIED * NEIGHBOURS))
    return [
        list(dict.fromkeys(ids[other] for other in row if ids[other] != own))[:NEIGHBOURS]
        for own, row in zip(ids, found.tolist(), strict=True)
    ]
