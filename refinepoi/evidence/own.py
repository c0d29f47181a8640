"""Counters of the user's own visible visits: frequency, recency, hours, transitions (docs/method.md section 5).

Every visible visit adds a weight to the slot (query, POI) it belongs to; a counter is the sum of one kind of weight.
Ages are measured from the query's reference time. Whatever needs the target's time is 0 where that is hidden.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refinepoi.evidence.names import own_names
from refinepoi.evidence.sight import Sight
from refinepoi.evidence.spec import EvidenceSpec, HabitSpec
from refinepoi.evidence.world import Floats, Ints, Queries, World

FRESH = 0.1  # days: what was visited within two hours or so is equally fresh
MINUTE = 1.0 / 1440  # days: the least age of a visited POI, so that 0 means "never visited"


@dataclass(frozen=True)
class Table:
    """Counters of the slots that have any. keys: [n] sorted, query * P + poi.  values: [n, F]."""

    keys: Ints
    values: Floats

    def at(self, keys: Ints) -> Floats:
        """[k, F] counters of the slots `keys`, 0 where absent."""
        if not len(self.keys):
            return np.zeros((len(keys), self.values.shape[1]))
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where((self.keys[place] == keys)[:, None], self.values[place], 0.0)


def count_own(world: World, queries: Queries, sight: Sight, spec: EvidenceSpec) -> Table:
    """One slot for each POI a query's user has visibly visited; columns as `own_names`."""
    query, row = sight.query, sight.row
    poi = world.poi[row]
    keys, slot = np.unique(query * world.pois + poi, return_inverse=True)
    kinds: dict[str, Floats] = {}

    def add(name: str, weights: Floats) -> None:
        kinds[name] = np.bincount(slot, weights, minlength=len(keys)).astype(np.float64)  # of nothing it is int64

    age = (sight.reference[query] - world.utc[row]) / 86_400.0
    add("user_count", np.ones(len(row)))
    for days in spec.decay_days:
        add(f"user_decay_{days:g}d", np.exp(-age / days))
    behind = sight.first[1:][query] - 1 - np.arange(len(row))  # visible visits after this one
    inside = world.trajectory[row] == queries.trajectory[query]
    add("user_prefix", np.where(inside, 0.5**behind, 0.0))

    linked = _linked(sight)
    follows, follows2 = _follows(world, sight, linked)
    recent = np.exp(-age / spec.habit.recency_days)
    add("user_next", follows)
    add("user_next2", follows2)
    if spec.target_time == "known":
        gap = linked * match_gap(world.log_gap[row], sight.log_gap(world, queries)[query], spec.gap_width)
        apart = hours_apart(world.hour[row], queries.hour[query])
        day = weekday_weight(world.weekday[row], queries.weekday[query], spec.habit)
        hour = hour_kernel(apart, spec.habit.hour_width)
        add("user_next_gap", follows * gap)
        add("user_next_hour", follows * hour)
        add("user_next_gap_hour", follows * gap * hour * day)
        for width in spec.hour_widths:
            add(f"user_hour_{width:g}h", hour_kernel(apart, width))
        add("user_hour_weekday", hour * day)
        add("user_hour_recent", hour * recent)
        add("user_habit", hour * day * recent)
        add("user_gap_habit", gap * hour * day)
        kinds["user_habit_share"] = _share(kinds["user_habit"], keys // world.pois)
        kinds["user_gap_habit_share"] = _share(kinds["user_gap_habit"], keys // world.pois)
    add("user_recent", recent)
    kinds["user_recent_share"] = _share(kinds["user_recent"], keys // world.pois)
    newest = np.zeros(len(keys), np.int64)
    newest[slot] = np.arange(len(row))  # pairs are in time order: the last one written is the newest
    oldest = np.zeros(len(keys), np.int64)
    oldest[slot[::-1]] = np.arange(len(row))[::-1]
    kinds["days_since_visit"] = np.maximum(age[newest], MINUTE)
    kinds["user_freshness"] = 1.0 / (FRESH + age[newest])
    kinds["user_interval"] = (age[oldest] - age[newest]) / np.maximum(kinds["user_count"] - 1.0, 1.0)
    kinds["visits_since_visit"] = np.asarray(behind[newest] + 1.0, np.float64)
    nothing = np.zeros(len(keys))
    names = own_names(spec.decay_days, spec.hour_widths)
    return Table(keys, np.stack([kinds.get(name, nothing) for name in names], 1))


def hours_apart(a: Floats, b: Floats) -> Floats:
    """Distance on the clock, 0 .. 12 hours."""
    apart = np.abs(a - b)
    return np.minimum(apart, 24.0 - apart)


def hour_kernel(apart: Floats, width: float) -> Floats:
    return np.asarray(np.exp(-0.5 * (apart / width) ** 2))


def weekday_weight(a: Ints, b: Ints, habit: HabitSpec) -> Floats:
    kind = np.where((a >= 5) == (b >= 5), habit.same_kind, habit.other_kind)
    return np.where(a == b, 1.0, kind)


def match_gap(a: Floats, b: Floats, width: float) -> Floats:
    """How well two elapsed gaps agree, 0 .. 1. a, b: log(1 + hours), infinite or NaN where there is none."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.exp(-0.5 * ((a - b) / width) ** 2))


def _linked(sight: Sight) -> npt.NDArray[np.bool_]:
    """[pairs] whether the user's check-in before this one is visible too."""
    linked = np.zeros(len(sight.row), np.bool_)
    linked[1:] = (sight.query[1:] == sight.query[:-1]) & (sight.row[1:] == sight.row[:-1] + 1)
    return linked


def _follows(world: World, sight: Sight, linked: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """[pairs] 1 where a visit came right after a visit to the last POI; the same for the last two POIs."""
    query, row = sight.query, sight.row
    linked2 = np.zeros(len(row), np.bool_)
    linked2[1:] = linked[1:] & linked[:-1]
    last = sight.last[query]
    follows = linked & (world.poi[row - 1] == world.poi[last])
    has_two = linked[sight.first[1:] - 1][query] if len(row) else linked
    follows2 = linked2 & follows & has_two & (world.poi[row - 2] == world.poi[last - 1])
    return follows.astype(np.float64), follows2.astype(np.float64)


def _share(values: Floats, query: Ints) -> Floats:
    """Each slot's part of its query's sum; 0 where the sum is 0."""
    total = np.bincount(query, values).astype(np.float64)[query]
    return np.divide(values, total, out=np.zeros_like(values), where=total > 0)
