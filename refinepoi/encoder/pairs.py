"""Positive pairs: POIs visited one after the other in training trajectories (docs/method.md section 2).

Pairs are distinct and unordered, with the number of times seen. A share of them is held out by pair, not by visit:
a commuter's pair that occurs fifty times is either known or held out.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from refinepoi.core.seeding import generator

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """first < second, sorted, and how often the two followed one another: int64 [n] each."""

    first: Integers
    second: Integers
    count: Integers

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Self:
        return type(self)(self.first[rows], self.second[rows], self.count[rows])

    def join(self, other: Self) -> Self:
        mine, theirs = (self.first, self.second, self.count), (other.first, other.second, other.count)
        return type(self)(*(np.concatenate(both) for both in zip(mine, theirs, strict=True)))


def covisited(
    trajectory: npt.NDArray[np.int32], poi: npt.NDArray[np.int32], utc: npt.NDArray[np.int64], hours: float
) -> Pairs:
    """Pairs of consecutive visits of one trajectory at most `hours` apart. Rows in time order, training rows only."""
    order = np.argsort(trajectory, kind="stable")
    trajectory, poi, utc = trajectory[order], poi[order].astype(np.int64), utc[order]
    follows = (np.diff(trajectory) == 0) & (np.diff(utc) <= hours * 3600) & (np.diff(poi) != 0)
    one, other = poi[:-1][follows], poi[1:][follows]
    size = int(poi.max(initial=0)) + 1
    keys, count = np.unique(np.minimum(one, other) * size + np.maximum(one, other), return_counts=True)
    return Pairs(keys // size, keys % size, count.astype(np.int64))


def hold_out(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, Pairs]:
    """(training pairs, held-out pairs): a random `share` of the pairs, at least one of them, is held out."""
    held = np.zeros(len(pairs), dtype=bool)
    held[generator(seed, "held-out pairs").permutation(len(pairs))[: max(1, round(share * len(pairs)))]] = True
    return pairs.take(~held), pairs.take(held)


class Known:
    """The known partners of each POI, as compressed rows."""

    def __init__(self, pairs: Pairs, size: int) -> None:
        one, other = np.concatenate([pairs.first, pairs.second]), np.concatenate([pairs.second, pairs.first])
        self.other = torch.from_numpy(other[np.argsort(one, kind="stable")])
        self.start = torch.from_numpy(np.concatenate([[0], np.cumsum(np.bincount(one, minlength=size))]))
        self.size = size

    def mask(self, rows: Tensor, columns: Tensor) -> Tensor:
        """bool [R, C]: whether POI rows[i] and POI columns[j] are one POI or known partners."""
        self.start, self.other = self.start.to(rows.device), self.other.to(rows.device)
        distinct, place_of = columns.unique(return_inverse=True)
        place = torch.full((self.size,), -1, device=rows.device)
        place[distinct] = torch.arange(len(distinct), device=rows.device)
        first, length = self.start[rows], self.start[rows + 1] - self.start[rows]
        row = torch.repeat_interleave(torch.arange(len(rows), device=rows.device), length)
        within = torch.arange(len(row), device=rows.device) - (length.cumsum(0) - length)[row]
        column = place[self.other[first[row] + within]]
        table = torch.zeros((len(rows), len(distinct)), dtype=torch.bool, device=rows.device)
        table[row[column >= 0], column[column >= 0]] = True
        return table[:, place_of] | (rows[:, None] == columns[None, :])
