from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from refinepoi.artifacts.history import History
from refinepoi.prompt import memory as memories
from refinepoi.prompt.memory import POLICIES, remember
from refinepoi.prompt.spec import Memory, Shares

DAY, HOUR = 86400, 3600
MONDAY = 4 * DAY  # 1970-01-05


NAMES = get_args(Memory.model_fields["policy"].annotation)


def memory(policy: Any, visits: int, **shares: float) -> Memory:
    usual = {"recent": 2.0, "same_hour": 1.0, "same_last": 1.0, "category": 0.0}
    return Memory(
        policy=policy, visits=visits, shares=Shares(**(dict.fromkeys(usual, 0.0) | shares if shares else usual))
    )


def history_of(
    local: list[float], poi: list[int], known: bool = True, kinds: list[int] | None = None
) -> tuple[History, np.ndarray]:
    """One user; the last visit is the target, the others are what the query sees. kinds: category of each POI."""
    n, times = len(local), np.array(local).astype(np.int64)
    zeros = np.zeros(n, np.int64)
    history = History(
        utc=times, local=times, poi=np.array(poi), user=zeros, trajectory=zeros, train=zeros == 0,
        category=np.array(kinds or [0] * (max(poi) + 1)), located=np.zeros((max(poi) + 1, 3)),
        place=np.array([n - 1]), start=np.array([0]), end=np.array([n - 1]), older=np.array([0]),
        everything=True, known=known,
    )  # fmt: skip
    return history, np.arange(n - 1)


# target Monday 08:00; visits: Monday 9:45 a week ago, Tuesday 08:00, Saturday 08:00, Sunday 23:30, today 03:00
TIMES = [MONDAY - 7 * DAY + 9.75 * HOUR, MONDAY - 6 * DAY + 8 * HOUR, MONDAY - 2 * DAY + 8 * HOUR,
         MONDAY - DAY + 23.5 * HOUR, MONDAY + 3 * HOUR, MONDAY + 8 * HOUR]  # fmt: skip


def test_same_hour_prefers_the_weekday_then_its_kind() -> None:
    history, places = history_of(TIMES, [0, 1, 2, 3, 4, 5])
    # distances: 1.75, 0 + .5 (Tuesday), 0 + 1.5 (Saturday), 8.5 + 1.5 (Sunday), 5
    assert memories.same_hour(history, 0, places).tolist() == [1, 2, 0, 4, 3]


def test_hours_go_round_the_clock() -> None:
    # target Tuesday 00:30; Monday 23:30 is one hour away, Monday 03:00 two and a half
    history, places = history_of([MONDAY + 3 * HOUR, MONDAY + 23.5 * HOUR, MONDAY + 24.5 * HOUR], [0, 1, 2])
    assert memories.same_hour(history, 0, places).tolist() == [1, 0]


def test_equal_hours_come_most_recent_first() -> None:
    history, places = history_of([MONDAY + 7 * DAY * week + 8 * HOUR for week in range(4)], [0, 0, 0, 0])
    assert memories.same_hour(history, 0, places).tolist() == [2, 1, 0]


def test_same_last_finds_what_followed_the_place_of_the_last_visit_and_that_visit() -> None:
    # the last visible visit is to 7; visits 1 and 4 followed the visits 0 and 3 to 7
    history, places = history_of([n * HOUR for n in range(7)], [7, 1, 2, 7, 3, 7, 9])
    assert memories.same_last(history, 0, places).tolist() == [4, 3, 1, 0, 5, 2]


def test_visits_of_one_place_in_a_row_are_shown_once() -> None:
    history, places = history_of([n * HOUR for n in range(5)], [7, 7, 7, 7, 9])
    assert memories.same_last(history, 0, places).tolist() == [3, 2, 1, 0]


def test_category_is_that_of_the_last_place() -> None:
    # places 0 and 2 are bars; the last visible visit (3) is to the bar 2
    history, places = history_of([n * HOUR for n in range(5)], [0, 1, 0, 2, 1], kinds=[5, 6, 5])
    assert memories.category(history, 0, places).tolist() == [3, 2, 0, 1]


def test_an_unknown_category_is_like_no_other() -> None:
    history, places = history_of([n * HOUR for n in range(5)], [0, 1, 0, 2, 1], kinds=[-1, 6, -1])
    assert memories.category(history, 0, places).tolist() == [3, 2, 1, 0]


def test_recent_takes_the_last_ones() -> None:
    history, places = history_of(TIMES, [0, 1, 2, 3, 4, 5])
    assert remember(memory("recent", 2), history, 0, places).tolist() == [4, 3]


# last visible POI is 7 (place 9); recent: 9 8 7 ...; by hour (the target's): 0 and 1; after 7: 4 with 3
MIXED = (
    [
        *(MONDAY - days * DAY + 8 * HOUR for days in (7, 6)),
        *(MONDAY - DAY + n * 60 for n in range(8)),
        MONDAY + 8 * HOUR,
    ],
    [0, 1, 2, 7, 4, 5, 6, 8, 9, 7, 3],
)


def test_mixed_follows_its_shares() -> None:
    history, places = history_of(*MIXED)
    assert remember(memory("mixed", 4), history, 0, places).tolist() == [9, 0, 4, 8]
    assert remember(memory("mixed", 8), history, 0, places).tolist() == [9, 0, 4, 8, 7, 1, 3, 6]
    shares = {"same_last": 2.0, "same_hour": 1.0}
    assert remember(memory("mixed", 4, **shares), history, 0, places).tolist() == [4, 0, 3, 9]
    assert remember(memory("mixed", 2, recent=3.0, same_hour=1.0), history, 0, places).tolist() == [9, 0]
    tenth = {name: share / 10 for name, share in shares.items()}
    assert remember(memory("mixed", 4, **tenth), history, 0, places).tolist() == [4, 0, 3, 9], "proportions only"


def test_shares_of_nothing_are_refused() -> None:
    with pytest.raises(ValidationError, match="at least one policy"):
        memory("mixed", 3, recent=0.0)


def test_only_some_may_be_chosen_but_all_say_where_the_user_is() -> None:
    """`question` shows the current trip apart: what followed its last place is chosen from earlier trips."""
    history, places = history_of([n * HOUR for n in range(7)], [7, 1, 2, 7, 3, 7, 9])
    earlier = np.array([True, True, True, True, True, False])
    assert remember(memory("same_last", 4), history, 0, places, earlier).tolist() == [4, 3, 1, 0]
    assert remember(memory("mixed", 4), history, 0, places, earlier).tolist() == [4, 3, 1, 2]


VISITS = st.lists(st.tuples(st.integers(0, 60 * 24 * 20), st.integers(0, 4)), min_size=1, max_size=25)


@given(VISITS, st.sampled_from(NAMES), st.integers(0, 30), st.booleans(), st.data())
def test_every_policy_shows_exactly_as_many_earlier_visits_as_asked_for(
    visits: list[tuple[int, int]], policy: str, count: int, known: bool, data: st.DataObject
) -> None:
    minutes, poi = zip(*sorted(visits), strict=True)
    history, places = history_of([60 * m for m in minutes], list(poi), known, [0, 1, 0, -1, 1])
    among = np.array(data.draw(st.lists(st.booleans(), min_size=len(places), max_size=len(places))), bool)
    before = history.local.copy(), history.poi.copy(), places.copy()
    for chosen in (None, among):
        allowed = places if chosen is None else places[chosen]
        shown = remember(memory(policy, count), history, 0, places, chosen).tolist()
        assert len(shown) == len(set(shown)) == min(count, len(allowed)) and set(shown) <= set(allowed.tolist())
        more = remember(memory(policy, count + 1), history, 0, places, chosen).tolist()
        assert more[: len(shown)] == shown, "a larger memory only adds"
    assert all((a == b).all() for a, b in zip(before, (history.local, history.poi, places), strict=True))


@given(VISITS, st.sampled_from(NAMES), st.integers(0, 10_000))
def test_nothing_at_or_after_the_target_counts(visits: list[tuple[int, int]], policy: str, later: int) -> None:
    """The target's place and every later visit may change; its time, too, where it is hidden."""
    minutes, poi = zip(*sorted(visits), strict=True)
    kinds = [0, 1, 0, -1, 1, 1]
    history, places = history_of([60 * m for m in minutes], list(poi), False, kinds)
    moved = [*(60 * m for m in minutes[:-1]), 60 * (minutes[-1] + later)]
    twin, _ = history_of(moved, [*poi[:-1], 5], False, kinds)
    assert (remember(memory(policy, 6), history, 0, places) == remember(memory(policy, 6), twin, 0, places)).all()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("known", [True, False])
def test_a_policy_orders_all_places(policy: str, known: bool) -> None:
    history, places = history_of(*MIXED, known=known)
    assert sorted(POLICIES[policy](history, 0, places).tolist()) == places.tolist()


@pytest.mark.parametrize("policy", NAMES)
def test_no_visit_is_no_error(policy: Any) -> None:
    history, places = history_of(TIMES[-1:], [0])
    assert len(remember(memory(policy, 5), history, 0, places)) == 0


def test_a_hidden_target_time_is_not_used() -> None:
    chosen = []
    for hour in (8, 20):
        history, places = history_of([*TIMES[:-1], MONDAY + hour * HOUR], [0, 1, 0, 1, 0, 1], known=False)
        for policy in ("same_hour", "mixed"):
            chosen.append((policy, remember(memory(policy, 3), history, 0, places).tolist()))
    assert chosen[:2] == chosen[2:]
