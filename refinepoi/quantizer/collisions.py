"""Collisions: what happens when two POIs get the same semantic ID (docs/method.md section 3).

`nearest_free`  the POI nearest its cell keeps it, the others move to the nearest free cell under the same prefix. The
                same rule holds on every level, where a cell has room for as many POIs as there are cells below it: only
                when a prefix is full do POIs move to the nearest prefix with room. No two POIs share an ID afterwards.
`suffix`        a further level counts the POIs of a cell, nearest first.
`none`          IDs stay shared.
Distances are squared distances of residuals to the nodes; random codes have no vectors and use grid distance instead.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from refinepoi.core.errors import UserError
from refinepoi.quantizer.hierarchy import I32, Codebooks
from refinepoi.quantizer.winners import F32, F64

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Resolved:
    """codes: int32 [N, L] (L + 1 with `suffix`); moved: bool [N]; grids: those of `codes`."""

    codes: I32
    moved: npt.NDArray[np.bool_]
    grids: tuple[tuple[int, int], ...]


class Space(Protocol):
    """Where codes live: what a policy needs to know of distances."""

    def distances(self, codes: I32, rows: Rows, level: int) -> F64:
        """[n, nodes] from rows to every node of `level`, given their codes above it."""

    def below(self, codes: I32, rows: Rows, level: int) -> I32:
        """[n, L - level - 1] codes under `level`, chosen anew after a move there."""


@dataclass(frozen=True, eq=False)
class VectorSpace:
    """Rows x [N, D] quantized by codebooks."""

    x: F32
    books: Codebooks

    def distances(self, codes: I32, rows: Rows, level: int) -> F64:
        residual = self.books.residual(self.x[rows], codes[rows], level).astype(np.float64)
        weights = self.books.weights[level].astype(np.float64)
        squares = np.square(residual).sum(1)[:, None] + np.square(weights).sum(1) - 2 * residual @ weights.T
        return np.maximum(squares, 0)

    def below(self, codes: I32, rows: Rows, level: int) -> I32:
        deeper = Codebooks(self.books.grids[level + 1 :], self.books.weights[level + 1 :])
        return deeper.encode(self.books.residual(self.x[rows], codes[rows], level + 1))


@dataclass(frozen=True, eq=False)
class GridSpace:
    """Codes without vectors: distance is that of cells on the grid of their level."""

    first: I32
    grids: tuple[tuple[int, int], ...]

    def distances(self, codes: I32, rows: Rows, level: int) -> F64:
        height, width = self.grids[level]
        y, x = np.divmod(np.arange(height * width), width)
        row, column = np.divmod(self.first[rows, level], width)
        return ((row[:, None] - y) ** 2 + (column[:, None] - x) ** 2).astype(np.float64)

    def below(self, codes: I32, rows: Rows, level: int) -> I32:
        return codes[rows, level + 1 :]


def resolve(policy: str, codes: I32, grids: tuple[tuple[int, int], ...], space: Space) -> Resolved:
    """Apply a policy. codes: int32 [N, L]. Raises UserError where more POIs than IDs exist (`nearest_free`)."""
    if policy == "nearest_free":
        free = nearest_free(codes, grids, space)
        return Resolved(free, (free != codes).any(1), grids)
    if policy == "suffix":
        counter = _suffix(codes, space)
        longer = np.column_stack([codes, counter]).astype(np.int32)
        return Resolved(longer, counter > 0, (*grids, (1, int(counter.max(initial=0)) + 1)))
    return Resolved(codes, np.zeros(len(codes), bool), grids)


def nearest_free(codes: I32, grids: tuple[tuple[int, int], ...], space: Space) -> I32:
    """Codes without collisions; deterministic. See the head of this file."""
    sizes = [h * w for h, w in grids]
    if len(codes) > np.prod(sizes, dtype=np.float64):
        raise UserError(
            f"quantizer.levels: {len(codes)} POIs do not fit into {int(np.prod(sizes))} IDs; "
            "add a level or enlarge the grids, or choose quantizer.collisions=suffix"
        )
    codes = codes.copy()
    for level in range(len(sizes)):
        room = int(min(np.prod(sizes[level + 1 :], dtype=np.float64), len(codes)))
        for group in _groups(codes[:, :level], len(codes)):
            counts = np.bincount(codes[group, level], minlength=sizes[level])
            if counts.max() > room:
                _spread(codes, group, level, room, counts, space)
    return codes


def _spread(codes: I32, group: Rows, level: int, room: int, counts: npt.NDArray[np.int64], space: Space) -> None:
    """Move the rows of one prefix that exceed `room` in their cell of `level` to the nearest cells with room."""
    crowded = group[counts[codes[group, level]] > room]
    distances = space.distances(codes, crowded, level)
    cells = codes[crowded, level]
    own = distances[np.arange(len(crowded)), cells]
    leaving = np.flatnonzero(_rank_within(cells, own) >= room)
    spare = np.maximum(room - counts, 0)
    codes[crowded[leaving], level] = _assign(distances[leaving] - own[leaving, None], spare)
    if level + 1 < codes.shape[1]:
        codes[crowded[leaving], level + 1 :] = space.below(codes, crowded[leaving], level)


def _assign(cost: F64, spare: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A cell for each row, no cell beyond its spare places: cost [n, cells], spare [cells] -> [n].

    Deferred acceptance: rows ask for their cheapest cell, a cell keeps the cheapest who ask, the others ask for their
    next one. The outcome is that of taking all (row, cell) pairs in order of cost, without sorting them all.
    """
    open_cells = np.flatnonzero(spare > 0)
    preference = open_cells[cost[:, open_cells].argsort(1, kind="stable")]
    place = np.zeros(len(cost), np.int64)
    lines = np.arange(len(cost))
    while True:
        wish = preference[lines, place]
        rejected = _rank_within(wish, cost[lines, wish]) >= spare[wish]
        if not rejected.any():
            return wish
        place[rejected] += 1


def _rank_within(cells: npt.NDArray[np.integer], price: F64) -> npt.NDArray[np.int64]:
    """[n] place of each row among the rows of its cell: cheapest 0, ties by row number."""
    order = np.lexsort((price, cells))
    sorted_cells = cells[order]
    first = np.flatnonzero(np.r_[True, sorted_cells[1:] != sorted_cells[:-1]])
    rank = np.empty(len(cells), np.int64)
    rank[order] = np.arange(len(cells)) - np.repeat(first, np.diff(np.r_[first, len(cells)]))
    return rank


def _suffix(codes: I32, space: Space) -> I32:
    """[N] place of each row among those with the same codes, nearest to the cell first."""
    counter = np.zeros(len(codes), np.int32)
    last = codes.shape[1] - 1
    for group in _groups(codes, len(codes)):
        if len(group) > 1:
            own = space.distances(codes, group, last)[np.arange(len(group)), codes[group, last]]
            counter[group] = _rank_within(codes[group, last], own)
    return counter


def _groups(prefixes: I32, rows: int) -> list[Rows]:
    """Row numbers of each distinct prefix, in the order of prefixes; one group where there is no prefix."""
    if prefixes.shape[1] == 0:
        return [np.arange(rows)]
    _, inverse = np.unique(prefixes, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)
