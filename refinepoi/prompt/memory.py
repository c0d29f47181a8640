"""Memory: which of the visible visits a prompt shows, most relevant first (docs/method.md sections 5 and 6).

Relevance decides what a token budget keeps; the template writes what is kept in time order.
"""

from itertools import cycle

import numpy as np

from refinepoi.prompt.history import History
from refinepoi.prompt.pieces import IntArray
from refinepoi.prompt.spec import Memory
from refinepoi.prompt.timewords import weekday

# How much nearer in hours a visit must be to outweigh another weekday, and a workday against a weekend.
OTHER_DAY, OTHER_KIND = 0.5, 1.5
_PATTERN = ("recent", "same_hour", "recent", "same_last")


def remember(memory: Memory, history: History, query: int, places: IntArray) -> IntArray:
    """At most `memory.visits` of `places` (time order), most relevant first.

    Where the target's time is hidden nothing is known of its hour: `same_hour` then means `recent`.
    """
    recent = places[::-1]
    if memory.policy == "recent" or len(places) == 0:
        return recent[: memory.visits]
    same_hour = by_hour(history, query, places) if history.known else recent
    if memory.policy == "same_hour":
        return same_hour[: memory.visits]
    rankings = {"recent": recent, "same_hour": same_hour, "same_last": after_last(history, places)}
    return _take_turns(rankings, memory.visits)


def by_hour(history: History, query: int, places: IntArray) -> IntArray:
    """Places ordered by distance in hour of day to the target, other weekdays set back, recent ones first in ties."""
    target, visits = history.local[history.place[query]], history.local[places]
    apart = np.abs(visits % 86400 - target % 86400)
    hours = np.minimum(apart, 86400 - apart) / 3600
    day, day_of_target = weekday(visits), int(weekday(target))
    other_kind = (day >= 5) != (day_of_target >= 5)
    distance = hours + OTHER_DAY * (day != day_of_target) + (OTHER_KIND - OTHER_DAY) * other_kind
    return places[np.lexsort((-places, distance))]


def after_last(history: History, places: IntArray) -> IntArray:
    """Visits that followed an earlier visit to the place the user is at now, recent ones first."""
    pois = history.poi[places]
    return places[1:][pois[:-1] == pois[-1]][::-1]


def _take_turns(rankings: dict[str, IntArray], count: int) -> IntArray:
    """Half from `recent`, a quarter each from the others, without repeats; whoever has run dry is passed over."""
    lists = {name: iter(ranking.tolist()) for name, ranking in rankings.items()}
    wanted = min(count, len(rankings["recent"]))
    taken: dict[int, None] = {}
    for name in cycle(_PATTERN):
        if len(taken) >= wanted:
            break
        new = next((place for place in lists[name] if place not in taken), None)
        if new is not None:
            taken[new] = None
    return np.fromiter(taken, np.int64, len(taken))
