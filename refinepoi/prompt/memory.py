"""Memory: which of the visible visits a prompt shows, most relevant first (docs/method.md sections 5 and 6).

A policy is a pure function (history, query, places) -> places: `places` are the visits the query may see, in time
order, and all of them come back, most relevant first. So every policy shows exactly as many visits as it is asked for,
as long as there are any. Relevance decides what a token budget keeps; what is kept is written in time order.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.history import History
from refinepoi.prompt.pieces import IntArray
from refinepoi.prompt.spec import Memory
from refinepoi.prompt.timewords import weekday

# How much nearer in hours a visit must be to outweigh another weekday, and a workday against a weekend.
OTHER_DAY, OTHER_KIND = 0.5, 1.5


def recent(history: History, query: int, places: IntArray) -> IntArray:
    """The last ones first."""
    return places[::-1]


def same_hour(history: History, query: int, places: IntArray) -> IntArray:
    """By distance in hour of day to the target, other weekdays set back, recent ones first in ties.

    Where the target's time is hidden nothing is known of its hour: then this is `recent`.
    """
    if not history.known:
        return recent(history, query, places)
    target, visits = history.local[history.place[query]], history.local[places]
    apart = np.abs(visits % 86400 - target % 86400)
    hours = np.minimum(apart, 86400 - apart) / 3600
    day, day_of_target = weekday(visits), int(weekday(target))
    other_kind = (day >= 5) != (day_of_target >= 5)
    distance = hours + OTHER_DAY * (day != day_of_target) + (OTHER_KIND - OTHER_DAY) * other_kind
    return places[np.lexsort((-places, distance))]


def same_last(history: History, query: int, places: IntArray) -> IntArray:
    """What followed earlier visits to the place the user is at now, each with that earlier visit behind it.

    Recent ones first, then the other visits, recent ones first.
    """
    here = history.poi[places] == history.poi[places[-1:]]
    followers = np.flatnonzero(here[:-1])[::-1] + 1
    pairs = np.stack([followers, followers - 1], axis=1).ravel()
    return _then_recent(places, pairs)


def category(history: History, query: int, places: IntArray) -> IntArray:
    """Visits of the category of the place the user is at now, recent ones first; then the others likewise.

    The last place's category, not that of candidates: it needs nobody else's data and means the same in each template.
    """
    kind = history.category[history.poi[places]]
    alike = (kind == kind[-1:]) & (kind >= 0)
    return _then_recent(places, np.flatnonzero(alike)[::-1])


POLICIES: dict[str, Callable[[History, int, IntArray], IntArray]] = {
    "recent": recent,
    "same_hour": same_hour,
    "same_last": same_last,
    "category": category,
}


def remember(
    memory: Memory, history: History, query: int, places: IntArray, among: npt.NDArray[np.bool_] | None = None
) -> IntArray:
    """At most `memory.visits` of `places` (time order), most relevant first.

    among: bool [n], which of them may be chosen; all of them say where the user is now.
    """
    chosen = places if among is None else places[among]
    shares = memory.shares.model_dump() if memory.policy == "mixed" else {memory.policy: 1.0}
    rankings = [POLICIES[name](history, query, places) for name, share in shares.items() if share]
    if among is not None:
        rankings = [ranking[np.isin(ranking, chosen)] for ranking in rankings]
    count = min(memory.visits, len(chosen))
    return _take_turns(rankings, [share for share in shares.values() if share], count)


def _then_recent(places: IntArray, first: IntArray) -> IntArray:
    """The places at the positions `first` without repeats, then the others, recent ones first."""
    order = np.concatenate([first, np.arange(len(places))[::-1]])
    _, seen = np.unique(order, return_index=True)
    return places[order[np.sort(seen)]]


def _take_turns(rankings: list[IntArray], shares: list[float], count: int) -> IntArray:
    """`count` of what all rankings hold, without repeats, taken in proportion to the shares (Sainte-Lague's method).

    A visit that another ranking brought is passed over and not counted against this one.
    """
    if len(rankings) == 1:
        return rankings[0][:count]
    lists = [iter(ranking.tolist()) for ranking in rankings]
    turns = [0] * len(lists)
    taken: dict[int, None] = {}
    while len(taken) < count:
        best = min(range(len(lists)), key=lambda n: ((2 * turns[n] + 1) / shares[n], turns[n], n))
        taken[next(place for place in lists[best] if place not in taken)] = None
        turns[best] += 1
    return np.fromiter(taken, np.int64, len(taken))
