"""Tile-local winner search: near the winner of the epoch before, for big maps.

Rows are grouped by the tile of TILE x TILE nodes their last winner lies in, and are compared with the nodes of that
tile and of a margin of MARGIN around it: 256 nodes at most, however big the map. Near ties among these are decided as
everywhere. A row whose nearest node lies further off is led there over several epochs, or by the exact pass that
every fit ends with.
"""

import numpy as np
import numpy.typing as npt

from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.winners import F32, I64, WinnerSearch

TILE = 8
MARGIN = 4


class LocalSearch:
    """search: over all nodes of `lattice`. One of these serves one state of the map."""

    def __init__(self, search: WinnerSearch, lattice: Lattice) -> None:
        self._search, self._lattice = search, lattice
        self._across = -(-lattice.width // TILE)
        self._windows: dict[int, tuple[I64, WinnerSearch]] = {}

    def nearest(self, x: F32, near: npt.NDArray[np.int32], longest: float) -> tuple[I64, F32]:
        """x: float32 [n, D]; near: int32 [n], the winners to look around. Returns what `WinnerSearch.nearest` does."""
        rows, columns = np.divmod(near, self._lattice.width)
        tiles = (rows // TILE * self._across + columns // TILE).astype(np.uint16)
        order = np.argsort(tiles, kind="stable")
        present, starts = np.unique(tiles[order], return_index=True)
        codes, scores = np.empty(len(x), np.int64), np.empty(len(x), np.float32)
        for tile, part in zip(present.tolist(), np.split(order, starts[1:]), strict=True):
            nodes, search = self._window(tile)
            found, scores[part] = search.nearest(x[part], longest)
            codes[part] = nodes[found]
        return codes, scores

    def _window(self, tile: int) -> tuple[I64, WinnerSearch]:
        if tile not in self._windows:
            top, left = tile // self._across * TILE, tile % self._across * TILE
            nodes = (
                self._span(top, self._lattice.height)[:, None] * self._lattice.width
                + self._span(left, self._lattice.width)[None, :]
            ).ravel()
            self._windows[tile] = nodes, self._search.among(nodes)
        return self._windows[tile]

    def _span(self, start: int, cells: int) -> I64:
        """Rows (or columns) of the tile that begins at `start`, with its margin, in rising order."""
        span = np.arange(start - MARGIN, min(start + TILE, cells) + MARGIN)
        if self._lattice.topology == "toroidal":
            return np.unique(span % cells)
        return span[(span >= 0) & (span < cells)]
