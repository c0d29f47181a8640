"""The pool of candidates of each query, before the cheap order cuts it: slots (query, POI) without repetition."""

import numpy as np
import numpy.typing as npt

from refinepoi.evidence.own import Table
from refinepoi.evidence.sight import NONE, Sight
from refinepoi.evidence.spec import PoolSpec
from refinepoi.evidence.world import Floats, Ints, World


def gather(
    world: World, sight: Sight, own: Table, moves: Table, popularity: Floats, near: Ints, pool: PoolSpec
) -> Ints:
    """
    Sorted keys query * P + poi: all POIs the user has visibly visited, the best successors of the last POI, the most
    popular POIs, the nearest ones. popularity: [m, P] in steps of 1/64.
    """
    queries = np.arange(len(sight.last))[:, None]
    parts = [own.keys, best_moves(moves, pool.next, world.pois), queries * world.pois + best(popularity, pool.popular)]
    known = np.flatnonzero(sight.last != NONE)
    parts.append(known[:, None] * world.pois + near[world.poi[sight.last[known]]])
    return np.unique(np.concatenate([part.ravel() for part in parts]))


def best(values: Floats, count: int) -> Ints:
    """[m, min(count, P)] columns of the greatest values of each row, the lower column first among equals."""
    count = min(count, values.shape[1])
    if count == 0:
        return np.zeros((len(values), 0), np.int64)
    exact = np.round(values * 64) * values.shape[1] - np.arange(values.shape[1])
    return np.asarray(np.argpartition(-exact, count - 1, axis=1)[:, :count], np.int64)


def best_moves(moves: Table, count: int, pois: int) -> Ints:
    """Keys of the `count` most frequent successors of each query, the lower POI first among equals."""
    query = moves.keys // pois
    order = np.lexsort((moves.keys, -moves.values[:, 0], query))
    return moves.keys[order[place_in_group(query[order]) < count]]


def keep(group: Ints, listed: npt.NDArray[np.bool_], count: int) -> npt.NDArray[np.bool_]:
    """[n] which are kept, `count` of each group at most: the `listed` and the first others. group: sorted."""
    kept = np.zeros(len(group), np.bool_)
    kept[listed] = place_in_group(group[listed]) < count
    room = count - np.bincount(group[kept], minlength=int(group.max(initial=-1)) + 1)
    others = np.flatnonzero(~listed)
    kept[others] = place_in_group(group[others]) < room[group[others]]
    return kept


def place_in_group(group: Ints) -> Ints:
    """0, 1, 2 ... within each run of equal values. group: [n] sorted."""
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    return np.arange(len(group)) - np.repeat(begins, np.diff(begins, append=len(group)))
