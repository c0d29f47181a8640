"""Collisions: what happens when two POIs get the same semantic ID (docs/method.md section 3).

`nearest_free`  the POI nearest its cell keeps it, the others move to the nearest free cell under the same prefix. The
                same rule holds on every level, where a cell has room for as many POIs as there are cells below it: only
                when a prefix is full do POIs move to the nearest prefix with room. No two POIs share an ID afterwards.
`suffix`        a further level counts the POIs of a cell, nearest first.
`none`          IDs stay shared.
Distances are squared distances of residuals to the nodes; random codes have no vectors and use grid distance instead.
"""

import math
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

    def of_vectors(self, level: int) -> bool:
        """Whether distances at `level` are those of vectors: only then may near nodes not be neighbours."""


@dataclass(frozen=True, eq=False)
class VectorSpace:
    """Rows x [N, D] quantized by codebooks."""

    x: F32
    books: Codebooks

    def distances(self, codes: I32, rows: Rows, level: int) -> F64:
        return squared_distances(self.books.residual(self.x[rows], codes[rows], level), self.books.weights[level])

    def below(self, codes: I32, rows: Rows, level: int) -> I32:
        deeper = Codebooks(self.books.grids[level + 1 :], self.books.weights[level + 1 :])
        return deeper.encode(self.books.residual(self.x[rows], codes[rows], level + 1))

    def of_vectors(self, level: int) -> bool:
        return True


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

    def of_vectors(self, level: int) -> bool:
        return False


def squared_distances(x: F32, weights: F32) -> F64:
    """float64 [n, nodes] of rows [n, D] to nodes [nodes, D]."""
    rows, nodes = x.astype(np.float64), weights.astype(np.float64)
    return np.maximum(np.square(rows).sum(1)[:, None] + np.square(nodes).sum(1) - 2 * rows @ nodes.T, 0)


def resolve(
    policy: str, codes: I32, grids: tuple[tuple[int, int], ...], space: Space, taken: I32 | None = None
) -> Resolved:
    """
    Apply a policy. codes: int32 [N, L]; taken: IDs already given, as this policy made them (int32 [T, L], L + 1 with
    `suffix`): they stay as they are. Raises UserError where more POIs than IDs exist (`nearest_free`).
    """
    if policy == "nearest_free":
        free = nearest_free(codes, grids, space, taken)
        return Resolved(free, (free != codes).any(1), grids)
    if policy == "suffix":
        counter = _suffix(codes, space, taken)
        longer = np.column_stack([codes, counter]).astype(np.int32)
        highest = max(int(counter.max(initial=0)), 0 if taken is None else int(taken[:, -1].max(initial=0)))
        return Resolved(longer, counter > 0, (*grids, (1, highest + 1)))
    return Resolved(codes, np.zeros(len(codes), bool), grids)


def check_room(pois: int, grids: tuple[tuple[int, int], ...], before: int = 0) -> None:
    """Raises UserError where so many POIs, beside those `before`, cannot have an ID each."""
    room = math.prod(height * width for height, width in grids)
    if pois + before > room:
        given = f" beside {before} whose IDs are given" if before else ""
        raise UserError(
            f"quantizer.levels: {pois} POIs{given} do not fit into {room} IDs; "
            "add a level or enlarge the grids, or choose quantizer.collisions=suffix"
        )


def nearest_free(codes: I32, grids: tuple[tuple[int, int], ...], space: Space, taken: I32 | None = None) -> I32:
    """Codes without collisions, among themselves and with those `taken`; deterministic. See the head of this file."""
    sizes, before = [h * w for h, w in grids], 0 if taken is None else len(taken)
    check_room(len(codes), grids, before)
    codes = codes.copy()
    for level in range(len(sizes)):
        room = int(min(np.prod(sizes[level + 1 :], dtype=np.float64), len(codes) + before))
        held = Held(taken, level, sizes[level])
        for group in _groups(codes[:, :level], len(codes)):
            counts = np.bincount(codes[group, level], minlength=sizes[level])
            rooms = room - held.under(codes[group[0], :level])
            if (counts > rooms).any():
                _spread(codes, group, level, rooms, counts, space)
    return codes


class Held:
    """How many IDs already given lie in each cell of a level, by prefix. taken: int32 [T, >= level + 1]."""

    def __init__(self, taken: I32 | None, level: int, cells: int) -> None:
        self.none = np.zeros(cells, np.int64)
        self.counts: dict[bytes, npt.NDArray[np.int64]] = {}
        if taken is not None:
            for group in _groups(taken[:, :level], len(taken)):
                self.counts[taken[group[0], :level].tobytes()] = np.bincount(taken[group, level], minlength=cells)

    def under(self, prefix: I32) -> npt.NDArray[np.int64]:
        """[cells]; prefix: int32 [level]."""
        return self.counts.get(prefix.tobytes(), self.none)


def _spread(
    codes: I32, group: Rows, level: int, rooms: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], space: Space
) -> None:
    """Move the rows of one prefix that exceed the `rooms` [cells] of their cell of `level` to the nearest with room."""
    crowded = group[(counts > rooms)[codes[group, level]]]
    distances = space.distances(codes, crowded, level)
    cells = codes[crowded, level]
    own = distances[np.arange(len(crowded)), cells]
    leaving = np.flatnonzero(_rank_within(cells, own) >= rooms[cells])
    spare = np.maximum(rooms - counts, 0)
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


def _suffix(codes: I32, space: Space, taken: I32 | None) -> I32:
    """[N] place of each row among those with the same codes, after those taken, nearest to the cell first."""
    counter = np.zeros(len(codes), np.int32)
    last = codes.shape[1] - 1
    highest: dict[tuple[int, ...], int] = {}
    for *cell, number in [] if taken is None else taken.tolist():
        highest[tuple(cell)] = max(number, highest.get(tuple(cell), 0))
    for group in _groups(codes, len(codes)):
        counter[group] = highest.get(tuple(codes[group[0]].tolist()), -1) + 1
        if len(group) > 1:
            own = space.distances(codes, group, last)[np.arange(len(group)), codes[group, last]]
            counter[group] += _rank_within(codes[group, last], own).astype(np.int32)
    return counter


def _groups(prefixes: I32, rows: int) -> list[Rows]:
    """Row numbers of each distinct prefix, in the order of prefixes; one group where there is no prefix."""
    if prefixes.shape[1] == 0 or not rows:
        return [np.arange(rows)] if rows else []
    _, inverse = np.unique(prefixes, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)
