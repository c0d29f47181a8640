"""Continuity of IDs: are places with neighbouring IDs alike? NICC by category, NICS by embedding.

The names are the paper's, the definitions ours (docs/method.md section 3). The ID neighbourhood of a POI are the other
POIs under the same prefix whose last code lies at Chebyshev distance <= 1 on the last grid; for level 1 alone, those
whose first code does. Over POIs with at least one neighbour (their share is `neighboured`):
* NICC = mean share of neighbours with the POI's category, over its expectation in a random neighbourhood.
* NICS = mean cosine similarity with neighbours, over its expectation in a random neighbourhood; the vectors are taken
  as they are, so the quotient is None where that expectation is not positive, and both parts stand beside it.
The Chebyshev distance is that of rows and columns, whatever the topology. With `of` the averages are over some POIs
(those held out), whose neighbours are still sought among all.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from refinepoi.core.seeding import generator
from refinepoi.quantizer.hierarchy import I32
from refinepoi.quantizer.winners import F32

Grids = tuple[tuple[int, int], ...]
Categories = npt.NDArray[np.integer[Any]]
PAIRS = 50_000


def continuity(
    x: F32, codes: I32, grids: Grids, categories: Categories, of: npt.NDArray[np.bool_] | None = None
) -> dict[str, float | None]:
    """NICC and NICS for codes [N, l]: same prefix, last level within one cell. x: [N, D]; categories: int [N]."""
    unit = x.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-300)
    categories = np.unique(categories, return_inverse=True)[1].ravel()
    cells, cell_of = np.unique(codes, axis=0, return_inverse=True)
    cell_of = cell_of.ravel()
    near = _adjacency(cells, grids[-1])
    rows, kinds = len(x), int(categories.max(initial=0)) + 1

    members = csr_matrix((np.ones(rows), (cell_of, np.arange(rows))), (len(cells), rows))
    kind_of = csr_matrix((np.ones(rows), (np.arange(rows), categories)), (rows, kinds))
    size = np.asarray((near @ members).sum(1)).ravel()[cell_of] - 1
    here = np.ones(rows, bool) if of is None else of
    has = here & (size > 0)
    if not has.any():
        return {"neighboured": 0.0, "nicc": None, "category_share": None, "nics": None, "cosine": None}
    by_kind = (near @ members @ kind_of).tocsr()
    same = np.asarray(by_kind[cell_of[has], categories[has]]).ravel() - 1
    alike = np.einsum("nd,nd->n", unit[has], (near @ (members @ unit))[cell_of[has]])
    alike -= np.square(unit[has]).sum(1)

    kind_size = np.bincount(categories, minlength=kinds)
    random_share = float(((kind_size[categories[has]] - 1) / (rows - 1)).mean())
    everyone = unit.sum(0)
    random_cosine = float(((unit[has] @ everyone - np.square(unit[has]).sum(1)) / (rows - 1)).mean())
    share, cosine = float((same / size[has]).mean()), float((alike / size[has]).mean())
    return {
        "neighboured": float(has.sum() / here.sum()),
        "nicc": share / random_share if random_share > 0 else None,
        "category_share": share,
        "category_share_random": random_share,
        "nics": cosine / random_cosine if random_cosine > 0 else None,
        "cosine": cosine,
        "cosine_random": random_cosine,
    }


def distance_agreement(x: F32, codes: I32, grids: Grids) -> float | None:
    """Spearman's rho between level-1 grid distance and embedding distance over random pairs of POIs."""
    if len(x) < 3:
        return None
    a, b = generator(0, "pairs").integers(0, len(x), (2, PAIRS))
    a, b = a[a != b], b[a != b]
    gap = np.stack(np.divmod(codes[a, 0], grids[0][1])) - np.stack(np.divmod(codes[b, 0], grids[0][1]))
    grid, space = np.linalg.norm(gap, axis=0), np.linalg.norm(x[a] - x[b], axis=1)
    if np.ptp(grid) == 0 or np.ptp(space) == 0:
        return None
    return float(np.corrcoef(_ranks(grid), _ranks(space))[0, 1])


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ranks with ties shared (scipy.stats takes seconds to import)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _adjacency(cells: I32, grid: tuple[int, int]) -> csr_matrix:
    """Sparse [C, C], 1 where cells (distinct codes, sorted) share a prefix and lie within one step on the last grid."""
    height, width = grid
    prefix = np.zeros(len(cells), np.int64)
    if cells.shape[1] > 1:
        prefix = np.unique(cells[:, :-1], axis=0, return_inverse=True)[1].ravel().astype(np.int64)
    y, x = np.divmod(cells[:, -1].astype(np.int64), width)
    # A frame of one unused cell around each grid: a step over the edge finds nothing.
    key = (prefix * (height + 2) + y + 1) * (width + 2) + x + 1
    sources, targets = [], []
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            wanted = key + dy * (width + 2) + dx
            place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
            hit = np.flatnonzero(key[place] == wanted)
            sources.append(hit)
            targets.append(place[hit])
    rows, columns = np.concatenate(sources), np.concatenate(targets)
    return csr_matrix((np.ones(len(rows)), (rows, columns)), (len(cells), len(cells)))
