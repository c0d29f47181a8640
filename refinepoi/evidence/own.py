"""Counters of the user's own visible visits: frequency, recency, hours, transitions, rhythm (docs/method.md section 5).

Every visible visit adds a weight to the slot (query, POI) it belongs to; a counter is the sum of one kind of weight, a
share is a slot's part of its query's sum. Ages are measured from the query's reference time. Whatever needs the
target's time is 0 where that is hidden.
"""

from dataclasses import dataclass

import numpy as np

from refinepoi.evidence.names import CATEGORY_SHARES, CATEGORY_SUMS, SHARES, SUMS, category_names, own_names
from refinepoi.evidence.sight import Sight
from refinepoi.evidence.spec import EvidenceSpec
from refinepoi.evidence.visits import ages, behind, hour_kernel, hours_apart
from refinepoi.evidence.world import Floats, Ints, Queries, World

FRESH = 0.1  # days: what was visited within two hours or so is equally fresh
MINUTE = 1.0 / 1440  # days: the least age of a visited POI, so that 0 means "never visited"
WAIT = 0.3  # standard deviation of the match of two waits, in log hours; as fixed as `count.NEW`


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


class Slots:
    """The slots (query, group) of visible visits, whose counters are collected one by one."""

    def __init__(self, query: Ints, group: Ints, groups: int, factors: dict[str, Floats]) -> None:
        """query, group, factors: [pairs]; group < groups."""
        self.keys, self.slot = np.unique(query * groups + group, return_inverse=True)
        self.query, self.factors = self.keys // groups, factors
        self.kinds: dict[str, Floats] = {}

    def sum(self, weights: Floats) -> Floats:
        return np.bincount(self.slot, weights, minlength=len(self.keys)).astype(np.float64)  # of nothing it is int64

    def share(self, values: Floats) -> Floats:
        """Each slot's part of its query's sum; 0 where the sum is 0."""
        total = np.bincount(self.query, values).astype(np.float64)[self.query]
        return np.divide(values, total, out=np.zeros_like(values), where=total > 0)

    def products(self, sums: dict[str, tuple[str, ...]], shares: dict[str, tuple[str, ...]]) -> None:
        """What is there of the factors decides which are counted."""
        for name, needed in (sums | shares).items():
            if all(factor in self.factors for factor in needed):
                weights = self.factors[needed[0]]
                for factor in needed[1:]:
                    weights = weights * self.factors[factor]
                self.kinds[name] = self.share(self.sum(weights)) if name in shares else self.sum(weights)

    def table(self, names: tuple[str, ...]) -> Table:
        nothing = np.zeros(len(self.keys))
        return Table(self.keys, np.stack([self.kinds.get(name, nothing) for name in names], 1))


def count_own(world: World, queries: Queries, sight: Sight, spec: EvidenceSpec, factors: dict[str, Floats]) -> Table:
    """One slot for each POI a query's user has visibly visited; columns as `own_names`."""
    query, row = sight.query, sight.row
    slots = Slots(query, world.poi[row], world.pois, factors)
    kinds, slot = slots.kinds, slots.slot
    age, later = ages(world, sight), behind(sight)
    kinds["user_count"] = slots.sum(np.ones(len(row)))
    for days in spec.decay_days:
        kinds[f"user_decay_{days:g}d"] = slots.sum(np.exp(-age / days))
    inside = world.trajectory[row] == queries.trajectory[query]
    kinds["user_prefix"] = slots.sum(np.where(inside, 0.5**later, 0.0))
    slots.products(SUMS, SHARES)
    newest = np.zeros(len(slots.keys), np.int64)
    newest[slot] = np.arange(len(row))  # pairs are in time order: the last one written is the newest
    oldest = np.zeros(len(slots.keys), np.int64)
    oldest[slot[::-1]] = np.arange(len(row))[::-1]
    if spec.target_time == "known":
        apart = hours_apart(world.hour[row], queries.hour[query])
        for width in spec.hour_widths:
            kinds[f"user_hour_{width:g}h"] = slots.sum(hour_kernel(apart, width))
            kinds[f"user_hour_{width:g}h_share"] = slots.share(kinds[f"user_hour_{width:g}h"])
        kinds["user_rhythm"], kinds["user_rhythm_hazard"] = _rhythm(slot, world.utc[row], age[newest])
    kinds["days_since_visit"] = np.maximum(age[newest], MINUTE)
    kinds["user_freshness"] = 1.0 / (FRESH + age[newest])
    kinds["user_interval"] = (age[oldest] - age[newest]) / np.maximum(kinds["user_count"] - 1.0, 1.0)
    kinds["visits_since_visit"] = np.asarray(later[newest] + 1.0, np.float64)
    return slots.table(own_names(spec.decay_days, spec.hour_widths))


def count_categories(world: World, sight: Sight, factors: dict[str, Floats]) -> Table:
    """One slot, query * categories + category, for each category visited; columns as `category_names`."""
    slots = Slots(sight.query, world.category[world.poi[sight.row]], world.categories, factors)
    slots.products(CATEGORY_SUMS, CATEGORY_SHARES)
    return slots.table(category_names())


def _rhythm(slot: Ints, utc: Ints, age: Floats) -> tuple[Floats, Floats]:
    """
    [slots] earlier waits between two visits of a slot that match the present one, `age` [slots] days; and their share
    of the waits at least about as long: how likely the wait ends now. slot, utc: [pairs], in time order within a slot.
    """
    order = np.argsort(slot, kind="stable")
    second = order[1:][slot[order[1:]] == slot[order[:-1]]]
    first = order[:-1][slot[order[1:]] == slot[order[:-1]]]
    wait, of = np.log1p((utc[second] - utc[first]) / 3_600.0), slot[second]
    present = np.log1p(age * 24.0)
    match = np.bincount(of, hour_kernel(wait - present[of], WAIT), minlength=len(age)).astype(np.float64)
    longer = np.bincount(of, wait > present[of] - WAIT, minlength=len(age))
    return match, match / (1.0 + longer)
