"""Facts of a query beside each visit that it sees, of each place visited, and of the query itself.

They are what a kernel of docs/method.md section 5 can read: how far apart two moments are by clock, by weekday and by
age, and how alike what came before them. A moment is that of the target; where its time is hidden, that of the last
visible visit, and nothing is told of the gap before the target. No fact names a user or a place.

A visit's predecessor is the user's check-in before it, if it is visible; under `train_prefix` none is linked across
what lies between training and the current trajectory, as in the evidence. Every number is made by itself from its own
pair, so that it does not depend on what is computed beside it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.history import History
from refinepoi.artifacts.places import great_circle

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
DAY, HOUR = 86_400, 3_600
WIDTHS = (0.3, 0.75, 1.5, 3.0)  # hours
DECAYS = (1.0, 7.0, 30.0, 90.0)  # days
GAP_WIDTH = 0.4  # log hours
FAR_GAP = 4.0  # log hours: gaps differ no more than that, and so they do where one is not known
PAIR = (
    "clock_1", "clock_2", "clock_3", *(f"hours_{w:g}" for w in WIDTHS), *(f"days_{d:g}" for d in DECAYS),
    "log_age", "log_behind", "log_seen", "same_weekday", "same_kind", "day_after", "day_before", "week_1", "week_2",
    "time_of_day", "same_day", "same_trip", "follows", "follows_two", "follows_category", "gap", "gap_apart",
    "follows_gap", "here", "here_category", "log_km", "clock_before", "ask_sin", "ask_cos", "ask_weekend", "ask_gap",
)  # fmt: skip
"""Of a query and one visit."""
PLACE = (
    "log_km", "log_visits", "log_seen", "here", "ask_sin_1", "ask_cos_1", "ask_sin_2", "ask_cos_2", "ask_weekend",
    "ask_gap",
)  # fmt: skip
"""Of a query and one place it has visited."""


@dataclass(frozen=True)
class Pairs:
    """
    Of m queries N visible visits at G places (a place counts once for each query that visited it).
    pairs: [N, len(PAIR)]; group: [N] 0 .. G - 1; query: [G] 0 .. m - 1, ascending; poi: [G], ascending within a
    query; places: [G, len(PLACE)]; kinds: [G, 2] categories of the place and of the one the query is at, from 1 on,
    0 where unknown.
    """

    pairs: Floats
    group: Ints
    query: Ints
    poi: Ints
    places: Floats
    kinds: Ints

    def group_of(self, targets: Ints) -> Ints:
        """[m] the group of each query and its target, -1 where that is not visited. targets: [m]."""
        keys = _key(self.query, self.poi)
        wanted = _key(np.arange(len(targets)), targets)
        found = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        return np.where(keys[found] == wanted, found, -1) if len(keys) else np.full(len(targets), -1)


def pair(history: History, queries: Ints, visits: int) -> Pairs:
    """queries: [m]; of each the newest `visits` visible visits."""
    query, place = history.pairs(queries)
    counts = np.bincount(query, minlength=len(queries))
    ends = np.cumsum(counts)
    linked = _linked(history, queries[query], query, place)
    linked2 = linked.copy()
    linked2[1:] &= linked[:-1]
    newest = np.maximum(ends - 1, 0)  # the pair of the last visit; without meaning where a query sees none
    last, has_two = (np.zeros_like(queries), np.zeros(len(queries), np.bool_))
    if len(place):
        last, has_two = place[newest], linked[newest]
    behind = ends[query] - 1 - np.arange(len(query))
    kept = behind < visits
    query, place, behind, linked, linked2 = query[kept], place[kept], behind[kept], linked[kept], linked2[kept]

    asks = _Asks(history, queries, last, has_two, np.minimum(counts, visits))
    facts = _pair_facts(history, asks, query, place, linked, linked2) | {"log_behind": np.log1p(behind)}
    keys, group = np.unique(_key(query, history.poi[place]), return_inverse=True)
    owner, poi = keys // _SPAN, keys % _SPAN
    told = _place_facts(history, asks, owner, poi) | {"log_visits": np.log(np.bincount(group, minlength=len(keys)))}
    pairs, places = (
        np.stack([np.asarray(named[name], np.float32) for name in names], 1)
        for names, named in ((PAIR, facts), (PLACE, told))
    )
    kinds = 1 + history.category[np.stack([poi, history.poi[last[owner]]], 1)]
    return Pairs(pairs, group, owner, poi, places, kinds)


_SPAN = 1 << 32  # more than any POI


def _key(query: Ints, poi: Ints) -> Ints:
    return query * _SPAN + poi


def _weekday(local: Ints) -> Ints:
    return (local // DAY + 3) % 7  # 1970-01-01 was a Thursday


def _linked(history: History, queries: Ints, query: Ints, place: Ints) -> Bools:
    """[n] whether the user's check-in before this one is visible too, on this side of what is hidden."""
    linked = np.zeros(len(place), np.bool_)
    linked[1:] = (query[1:] == query[:-1]) & (place[1:] == place[:-1] + 1)
    if not history.everything:
        current = history.current(queries, place)
        linked[1:] &= current[1:] == current[:-1]
    return linked


@dataclass(frozen=True)
class _Asks:
    """Of m queries: the places of their last visits, whether these have a predecessor, and how many are read."""

    history: History
    queries: Ints
    last: Ints
    has_two: Bools
    seen: Ints

    @cached_property
    def moment(self) -> Ints:
        """[m] the visit whose time is asked about."""
        return self.history.place[self.queries] if self.history.known else self.last

    @cached_property
    def gap(self) -> Doubles:
        """[m] log(1 + hours) from the last visit to the target; NaN where it is hidden."""
        if not self.history.known:
            return np.full(len(self.queries), np.nan)
        utc = self.history.utc
        return np.asarray(np.log1p(np.maximum(utc[self.moment] - utc[self.last], 0) / HOUR))

    @cached_property
    def clock(self) -> Doubles:
        """[m] the hour asked about as an angle."""
        return np.asarray(self.history.local[self.moment] % DAY * (2 * np.pi / DAY), np.float64)


def _pair_facts(
    h: History, asks: _Asks, query: Ints, place: Ints, linked: Bools, linked2: Bools
) -> dict[str, npt.NDArray[Any]]:
    """[n] each, by the names of PAIR. Waves and bells in float32, which is four times as fast."""
    moment, last = asks.moment[query], asks.last[query]
    poi, here, kind = h.poi[place], h.poi[last], h.category
    before = h.poi[place - 1]  # read only where linked
    hours = _hours_apart(h.local[place], h.local[moment])
    turn = hours * np.float32(2 * np.pi / 24)
    age = np.maximum(h.utc[moment] - h.utc[place], 0) / DAY
    days, phase = age.astype(np.float32), (age % 7 * (2 * np.pi / 7)).astype(np.float32)
    weekday, day = _weekday(h.local[place]), _weekday(h.local[moment])
    own_gap = np.log1p(np.maximum(h.utc[place] - h.utc[place - 1], 0) / HOUR)
    apart = np.where(linked, np.minimum(np.abs(own_gap - asks.gap[query]), FAR_GAP), FAR_GAP)
    apart = np.nan_to_num(apart, nan=FAR_GAP).astype(np.float32)
    gap = np.where(apart < FAR_GAP, _bell(apart, GAP_WIDTH), np.float32(0))
    follows = linked & (before == here)
    return {
        **{f"clock_{n}": np.cos(n * turn) for n in (1, 2, 3)},
        **{f"hours_{width:g}": _bell(hours, width) for width in WIDTHS},
        **{f"days_{decay:g}": np.exp(-days / np.float32(decay)) for decay in DECAYS},
        "log_age": np.log1p(days),
        "log_seen": np.log1p(asks.seen)[query],
        "same_weekday": weekday == day,
        "same_kind": (weekday >= 5) == (day >= 5),
        "day_after": (weekday - day) % 7 == 1,
        "day_before": (weekday - day) % 7 == 6,
        "week_1": np.cos(phase),
        "week_2": np.cos(2 * phase),
        "time_of_day": np.cos(7 * phase),
        "same_day": h.local[place] // DAY == h.local[moment] // DAY,
        "same_trip": h.current(asks.queries[query], place),
        "follows": follows,
        "follows_two": follows & linked2 & asks.has_two[query] & (h.poi[place - 2] == h.poi[last - 1]),
        "follows_category": linked & (kind[before] == kind[here]) & (kind[here] >= 0),
        "gap": gap,
        "gap_apart": apart,
        "follows_gap": follows * gap,
        "here": poi == here,
        "here_category": (kind[poi] == kind[here]) & (kind[here] >= 0),
        "log_km": np.log1p(great_circle(h.located[here], h.located[poi])),
        "clock_before": np.where(linked, _hours_apart(h.local[place - 1], h.local[last]) / 6, 1),
        "ask_sin": np.sin(asks.clock)[query],
        "ask_cos": np.cos(asks.clock)[query],
        "ask_weekend": day >= 5,
        "ask_gap": np.nan_to_num(asks.gap)[query],
    }


def _place_facts(h: History, asks: _Asks, query: Ints, poi: Ints) -> dict[str, npt.NDArray[Any]]:
    """[G] each, by the names of PLACE."""
    here = h.poi[asks.last[query]]
    return {
        "log_km": np.log1p(great_circle(h.located[here], h.located[poi])),
        "log_seen": np.log(asks.seen[query]),
        "here": here == poi,
        **{f"ask_sin_{n}": np.sin(n * asks.clock)[query] for n in (1, 2)},
        **{f"ask_cos_{n}": np.cos(n * asks.clock)[query] for n in (1, 2)},
        "ask_weekend": (_weekday(h.local[asks.moment]) >= 5)[query],
        "ask_gap": np.nan_to_num(asks.gap)[query],
    }


def _hours_apart(a: Ints, b: Ints) -> Floats:
    """Distance on the clock, 0 .. 12 hours."""
    apart = np.abs(a % DAY - b % DAY)
    return (np.minimum(apart, DAY - apart) / HOUR).astype(np.float32)


def _bell(x: Floats, width: float) -> Floats:
    return np.asarray(np.exp(np.float32(-0.5) * (x / np.float32(width)) ** 2))
