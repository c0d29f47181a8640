"""Are neighbours still neighbours on the grid? Trustworthiness and neighbourhood preservation of a level's map.

Both compare the K nearest of each POI among the vectors with the K nearest on the grid (Venna and Kaski, 2001), by
scikit-learn. Trustworthiness falls where grid neighbours are far apart as vectors; neighbourhood preservation (also
called continuity) where near vectors are far apart on the grid; 1 is perfect, about 0.5 is chance. POIs of one cell are
equally near on the grid: ties are broken at random by moving each less than a thousandth of a cell. A torus is measured
on its four-dimensional embedding, whose short distances are those of the grid. K and the number of POIs measured change
the figures, so they stand beside them; at most ROWS POIs, drawn by a fixed seed, are measured.
"""

import numpy as np

from refinepoi.core.seeding import generator
from refinepoi.quantizer.hierarchy import I32
from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.winners import F32, F64

K, ROWS, JITTER = 10, 1000, 1e-3


def neighbourhood_kept(x: F32, codes: I32, lattice: Lattice) -> dict[str, float | int | None]:
    """x: float32 [N, D], what the level sees; codes: int [N] of that level."""
    draw = generator(0, "neighbourhood")
    rows = np.sort(draw.permutation(len(x))[:ROWS]) if len(x) > ROWS else np.arange(len(x))
    k = min(K, (len(rows) - 1) // 2)
    measured: dict[str, float | int | None] = {"neighbours": k, "neighbourhood_rows": len(rows)}
    if k < 1:
        return {"trustworthiness": None, "neighbourhood_preservation": None, **measured}
    from sklearn.manifold import trustworthiness

    places = grid_places(lattice)[codes[rows]]
    places = places + JITTER * draw.random(places.shape)
    vectors = x[rows].astype(np.float64)
    return {
        "trustworthiness": float(trustworthiness(vectors, places, n_neighbors=k)),
        "neighbourhood_preservation": float(trustworthiness(places, vectors, n_neighbors=k)),
        **measured,
    }


def grid_places(lattice: Lattice) -> F64:
    """float64 [nodes, 2], or [nodes, 4] on a torus."""
    if lattice.topology != "toroidal":
        return lattice.positions
    sides = np.array([lattice.height, lattice.width]) / (2 * np.pi)
    angles = lattice.positions / sides
    return np.concatenate([sides * np.cos(angles), sides * np.sin(angles)], axis=1)
