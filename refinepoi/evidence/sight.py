"""Sight: which check-ins a query may see (docs/method.md section 4), as (query, row) pairs.

Own visits: strictly earlier than the target's utc. `all`: every one; `train_prefix`: the user's training visits and
those of the current trajectory. Everybody's training visits: earlier than the query's cutoff, which is the target's utc
or, where the target's time is hidden, just after the last visible visit. Under `train_prefix` a test query's training
history ends days before its trajectory; train queries simulate that: theirs ends `blackout` days before the trajectory.
"""

from dataclasses import dataclass

import numpy as np

from refinepoi.evidence.world import TRAIN, Floats, Ints, Queries, World

NONE = -1


@dataclass(frozen=True)
class Sight:
    """What m queries see. Pairs are sorted by query, then time."""

    query: Ints  # [pairs] 0 .. m - 1
    row: Ints  # [pairs] visible row of World
    first: Ints  # [m + 1] the pairs of query q are first[q] .. first[q + 1] - 1
    last: Ints  # [m] last visible row of World, -1 without one
    reference: Ints  # [m] the time that ages are measured from: the target's, or the last visible visit's if hidden
    cutoff: Ints  # [m] training check-ins of everybody with utc < cutoff are seen
    prefix: Ints  # [m] visible visits of the current trajectory

    def log_gap(self, world: World, queries: Queries) -> Floats:
        """[m] log(1 + hours) from the last visible visit to the target, NaN without one."""
        hours = (queries.utc - world.utc[self.last]) / 3_600.0
        return np.where(self.last == NONE, np.nan, np.log1p(np.maximum(hours, 0.0)))


def blackout(world: World, queries: Queries, days: Floats) -> Queries:
    """
    End the training history of each train query `days` before its trajectory begins (or before the last visit, where
    the trajectory has no earlier one), as the history of validation and test queries ends before theirs. days: [m].
    """
    query, row = _earlier(world, queries)
    inside = world.trajectory[row] == queries.trajectory[query]
    never = np.iinfo(np.int64).max
    begin, last = np.full(len(queries), never), np.full(len(queries), never)
    np.minimum.at(begin, query[inside], world.utc[row[inside]])
    last[query] = world.utc[row]  # pairs are in time order: the last one written is the newest
    anchor = np.minimum(begin, last)
    end = np.where(anchor == never, queries.utc, anchor - (days * 86_400).astype(np.int64))
    return queries.with_train_end(np.where(queries.split == TRAIN, end, queries.utc))


def look(world: World, queries: Queries, history: str, hidden: bool, begins: Ints) -> Sight:
    """
    begins: [splits] utc of each split's first check-in: where the target's time is hidden and no visit is
    visible, a query of that split sees the training check-ins before it.
    """
    query, row = _earlier(world, queries)
    inside = world.trajectory[row] == queries.trajectory[query]
    if history == "train_prefix":
        keep = inside | (world.train[row] & (world.utc[row] < queries.train_end[query]))
        query, row, inside = query[keep], row[keep], inside[keep]
    first = np.searchsorted(query, np.arange(len(queries) + 1)).astype(np.int64)
    some = first[1:] > first[:-1]
    last = np.full(len(queries), NONE)
    last[some] = row[first[1:][some] - 1]
    now = queries.utc
    if hidden:
        now = np.where(some, world.utc[last] + 1, begins[queries.split])
    return Sight(
        query=query,
        row=row,
        first=first,
        last=last,
        reference=np.where(some, world.utc[last], now) if hidden else now,
        cutoff=np.minimum(now, queries.train_end) if history == "train_prefix" else now,
        prefix=np.bincount(query[inside], minlength=len(queries)),
    )


def _earlier(world: World, queries: Queries) -> tuple[Ints, Ints]:
    """Pairs (query, row) of the user's rows strictly earlier than the target, sorted."""
    begin = world.start[queries.user]
    count = np.searchsorted(world.user_times, world.time_of(queries.user, queries.utc)) - begin
    return expand(begin, count)


def expand(begin: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Pairs (i, begin[i] + 0 .. count[i] - 1) for every i, in order."""
    i = np.repeat(np.arange(len(count)), count)
    return i, np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(begin, count)
