"""How good are the codes? Per level: errors, topology, use of cells. Whole IDs: collisions and error.

Definitions (docs/method.md section 3), for every kind of quantizer:
* quantization error: mean |x - x'|, x' decoded from the codes down to this level (for residual levels that is the
  distance of the level's residual to its winner); root mean square error: of the same distances; unexplained
  variance: its square over the mean |x - mean|^2 of the places learned from, for places held out too, so that one
  place alone has a figure; None where those learned from are all the same. Kinds
  that do not look at vectors decode to the mean of what they learned under the prefix: on the places they learned
  from, prefixes with one place each have no error at all; read the held-out figures of those.
* topographic error: share of places whose nearest and second nearest node, by the distance the quantizer itself uses,
  are not neighbours. Neighbours are the eight around a cell (six on a hexagonal lattice); None where that distance is
  not one of vectors but of the grid or the ground itself (random and geographic codes, the levels of categories), for
  there it is 0 by construction.
* trustworthiness and neighbourhood preservation: `neighbourhood.py`; below level 1 of what the level sees, the
  residual, and None where the cells of a level mean something else under each prefix.
* perplexity: exp of the entropy of cell use; as many equally used cells would be used as surprisingly.
* collision rate: share of POIs that share their ID; moved share: those that the collision policy gave another ID.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.quantizer.collisions import Space
from refinepoi.quantizer.hierarchy import I32
from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.neighbourhood import neighbourhood_kept
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.prefixes import bucket_quantiles
from refinepoi.quantizer.quantizer import Quantizer
from refinepoi.quantizer.winners import F32

Report = dict[str, Any]
BLOCK = 8192
ROUNDING = 1e-12
"""A variance below this share of the mean square is float32's rounding."""


def level_report(places: Places, codes: I32, quantizer: Quantizer, variance: float) -> list[Report]:
    """
    One report a level. codes: int32 [N, L] of `places`, as encoded (before collisions were resolved); variance: that of
    the places learned from.
    """
    x = places.vectors
    space = quantizer.space(places)
    reports: list[Report] = []
    above: F32 | None = x
    for level, (height, width) in enumerate(quantizer.grids):
        lattice = Lattice(height, width, quantizer.topology)
        left = x - quantizer.decode(codes, level + 1)
        kept = neighbourhood_kept(above, codes[:, level], lattice) if above is not None else {}
        reports.append(
            {
                "grid": f"{height}x{width}",
                "quantization_error": float(np.sqrt(np.square(left.astype(np.float64)).sum(1)).mean()),
                "rms_error": mean_square(left) ** 0.5,
                "unexplained_variance": share_left(left, variance),
                "topographic_error": topographic_error(space, codes, level, lattice),
                "topographic_neighbours": lattice.neighbours,
                "trustworthiness": kept.get("trustworthiness"),
                "neighbourhood_preservation": kept.get("neighbourhood_preservation"),
                "neighbours": kept.get("neighbours"),
                "neighbourhood_rows": kept.get("neighbourhood_rows"),
                **cell_use(codes[:, level], lattice.nodes),
            }
        )
        above = left if quantizer.books is not None else None
    return reports


def topographic_error(space: Space, codes: I32, level: int, lattice: Lattice) -> float | None:
    """Share of rows whose two nearest nodes are not adjacent; None on one node and where `space` knows no vectors."""
    if lattice.nodes < 2 or not space.of_vectors(level) or not len(codes):
        return None
    apart = 0
    for start in range(0, len(codes), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(codes)))
        distances = space.distances(codes, rows, level)
        first = distances.argmin(1)
        distances[np.arange(len(rows)), first] = np.inf
        apart += int((~lattice.adjacent(first, distances.argmin(1))).sum())
    return apart / len(codes)


def cell_use(codes: npt.NDArray[np.integer[Any]], nodes: int) -> Report:
    """Used cells, perplexity and how many POIs a used cell holds. codes: [N]."""
    counts = np.bincount(codes, minlength=nodes)
    share = counts[counts > 0] / max(len(codes), 1)
    return {
        "cells": nodes,
        "used_cells": int((counts > 0).sum()),
        "perplexity": float(np.exp(-(share * np.log(share)).sum())),
        "buckets": bucket_quantiles(np.asarray(codes, np.int64)),
    }


def shared(codes: I32) -> npt.NDArray[np.bool_]:
    """bool [N]: rows whose codes another row has too."""
    _, inverse, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    return counts[inverse.ravel()] > 1


def collision_rate(codes: I32) -> float:
    """Share of rows whose codes another row has too."""
    return float(shared(codes).mean())


def mean_square(rows: npt.NDArray[np.floating]) -> float:
    """Mean squared length of rows [N, D]."""
    return float(np.square(rows, dtype=np.float64).sum(1).mean())


def variance_of(x: F32) -> float:
    """Mean squared distance of rows [N, D] to their mean; 0 where that is no more than float32's rounding."""
    variance = mean_square(x - x.mean(0, dtype=np.float64))
    return variance if variance > ROUNDING * mean_square(x) else 0.0


def share_left(left: F32, variance: float) -> float | None:
    """What decoding left over, [N, D], as a share of the variance of the places learned from."""
    return mean_square(left) / variance if variance > 0 else None


def id_report(places: Places, first: I32, final: I32, quantizer: Quantizer, variance: float) -> Report:
    """
    Whole IDs. first: int32 [N, L] before, final: [N, L, or L + 1 with a suffix] after the collision policy; variance:
    that of the places learned from.
    """
    x, levels = places.vectors, len(quantizer.grids)
    sizes = np.unique(first, axis=0, return_counts=True)[1]
    return {
        "pois": len(x),
        "possible_ids": int(np.prod([h * w for h, w in quantizer.grids], dtype=np.float64)),
        "distinct_before": len(sizes),
        "fullest_before": int(sizes.max()),
        "collision_rate_before": collision_rate(first),
        "collision_rate": collision_rate(final),
        "moved_share": float((final[:, :levels] != first).any(1).mean()),
        "prefix_changed_share": float((final[:, : levels - 1] != first[:, : levels - 1]).any(1).mean()),
        "unexplained_variance_before": share_left(x - quantizer.decode(first), variance),
        "unexplained_variance": share_left(x - quantizer.decode(final[:, :levels]), variance),
    }
