"""How good are the codes? Per level: errors, topology, use of cells. Whole IDs: collisions, use, continuity.

Definitions (docs/method.md section 3):
* quantization error: mean |r - w_b| of the level's residuals; unexplained variance: share of the total variance of the
  vectors that is left after this level.
* topographic error: share of rows whose nearest and second nearest node are not neighbours. Neighbours are the eight
  around a cell (six on a hexagonal lattice).
* perplexity: exp of the entropy of cell use; as many equally used cells would be used as surprisingly.
* collision rate: share of POIs that share their ID; moved share: those that the collision policy gave another ID.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.quantizer.continuity import continuity
from refinepoi.quantizer.hierarchy import I32, Codebooks, search_of
from refinepoi.quantizer.lattice import Lattice, Topology
from refinepoi.quantizer.rows import as_block, blocks
from refinepoi.quantizer.winners import F32

Report = dict[str, Any]
Categories = npt.NDArray[np.integer[Any]]


def level_report(x: F32, codes: I32, books: Codebooks, topology: Topology = "rectangular") -> list[Report]:
    """One report a level. x: float32 [N, D]; codes: int32 [N, L], the winners (before collisions were resolved)."""
    total = max(float(np.square(x - x.mean(0, dtype=np.float64)).sum()), 1e-300)
    reports: list[Report] = []
    for level, (height, width) in enumerate(books.grids):
        lattice = Lattice(height, width, topology)
        residual = books.residual(x, codes, level)
        left = np.square((residual - books.weights[level][codes[:, level]]).astype(np.float64)).sum(1)
        reports.append(
            {
                "grid": f"{height}x{width}",
                "quantization_error": float(np.sqrt(left).mean()),
                "unexplained_variance": float(left.sum()) / total,
                "topographic_error": topographic_error(residual, books.weights[level], lattice),
                "topographic_neighbours": lattice.neighbours,
                **cell_use(codes[:, level], lattice.nodes),
            }
        )
    return reports


def topographic_error(x: F32, weights: F32, lattice: Lattice) -> float | None:
    """Share of rows whose two nearest nodes are not adjacent; None on a map of one node."""
    if lattice.nodes < 2:
        return None
    search = search_of(weights)
    pairs = np.concatenate([search.two_nearest(as_block(block)) for block in blocks(x)])
    return float((~lattice.adjacent(pairs[:, 0], pairs[:, 1])).mean())


def cell_use(codes: npt.NDArray[np.integer[Any]], nodes: int) -> Report:
    """Used cells, perplexity and the fullest cell of one level. codes: [N]."""
    counts = np.bincount(codes, minlength=nodes)
    share = counts[counts > 0] / max(len(codes), 1)
    return {
        "cells": nodes,
        "used_cells": int((counts > 0).sum()),
        "perplexity": float(np.exp(-(share * np.log(share)).sum())),
        "fullest_cell": int(counts.max(initial=0)),
    }


def collision_rate(codes: I32) -> float:
    """Share of rows whose codes another row has too."""
    _, inverse, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    return float((counts[inverse.ravel()] > 1).mean())


def distinct_ids(codes: I32) -> int:
    return len(np.unique(codes, axis=0))


def unexplained_variance(x: F32, codes: I32, books: Codebooks) -> float:
    """Share of the variance of x [N, D] that decoding leaves; codes beyond the codebooks (a suffix) are ignored."""
    total = max(float(np.square(x - x.mean(0, dtype=np.float64)).sum()), 1e-300)
    return float(np.square((x - books.decode(codes)).astype(np.float64)).sum()) / total


def id_report(
    x: F32, first: I32, final: I32, grids: tuple[tuple[int, int], ...], categories: Categories, books: Codebooks | None
) -> Report:
    """
    Whole IDs. x: float32 [N, D]; first: codes before, final: after the collision policy (a suffix level may be added);
    categories: int [N]; books: None where there are no vectors.
    """
    levels = len(grids)
    report: Report = {
        "pois": len(x),
        "possible_ids": int(np.prod([h * w for h, w in grids], dtype=np.float64)),
        "distinct_before": distinct_ids(first),
        "collision_rate_before": collision_rate(first),
        "collision_rate": collision_rate(final),
        "moved_share": float((final[:, :levels] != first).any(1).mean()),
        "prefix_changed_share": float((final[:, : levels - 1] != first[:, : levels - 1]).any(1).mean()),
        **{k: v for k, v in continuity(x, final[:, :levels], grids, categories).items()},
    }
    if books is not None:
        report["unexplained_variance_before"] = unexplained_variance(x, first, books)
        report["unexplained_variance"] = unexplained_variance(x, final, books)
    return report
