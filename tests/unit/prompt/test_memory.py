from typing import Any

import numpy as np
import pytest

from refinepoi.prompt.history import History
from refinepoi.prompt.memory import after_last, by_hour, remember
from refinepoi.prompt.spec import Memory

DAY, HOUR = 86400, 3600
MONDAY = 4 * DAY  # 1970-01-05


def history_of(local: list[float], poi: list[int], known: bool = True) -> tuple[History, np.ndarray]:
    """One user; the last visit is the target, the others are what the query sees."""
    n, times = len(local), np.array(local).astype(np.int64)
    zeros = np.zeros(n, np.int64)
    history = History(
        utc=times, local=times, poi=np.array(poi), user=zeros, trajectory=zeros, train=zeros == 0,
        place=np.array([n - 1]), start=np.array([0]), end=np.array([n - 1]), older=np.array([0]),
        everything=True, known=known,
    )  # fmt: skip
    return history, np.arange(n - 1)


# target Monday 08:00; visits: Monday 10:00 a week ago, Tuesday 08:00, Saturday 08:00, Sunday 23:30, today 03:00
TIMES = [MONDAY - 7 * DAY + 10 * HOUR, MONDAY - 6 * DAY + 8 * HOUR, MONDAY - 2 * DAY + 8 * HOUR,
         MONDAY - DAY + 23.5 * HOUR, MONDAY + 3 * HOUR, MONDAY + 8 * HOUR]  # fmt: skip


def test_same_hour_prefers_the_weekday_then_its_kind() -> None:
    history, places = history_of(TIMES, [0, 1, 2, 3, 4, 5])
    # distances: 2, 0 + .5 (Tuesday), 0 + 1.5 (Saturday), 8.5 + 1.5 (Sunday), 5
    assert by_hour(history, 0, places).tolist() == [1, 2, 0, 4, 3]


def test_hours_go_round_the_clock() -> None:
    # target Tuesday 00:30; Monday 23:30 is one hour away, Monday 03:00 two and a half
    history, places = history_of([MONDAY + 3 * HOUR, MONDAY + 23.5 * HOUR, MONDAY + 24.5 * HOUR], [0, 1, 2])
    assert by_hour(history, 0, places).tolist() == [1, 0]


def test_equal_hours_come_most_recent_first() -> None:
    history, places = history_of([MONDAY + 7 * DAY * week + 8 * HOUR for week in range(4)], [0, 0, 0, 0])
    assert by_hour(history, 0, places).tolist() == [2, 1, 0]


def test_after_last_finds_what_followed_the_place_of_the_last_visit() -> None:
    # the last visible visit is to 7; visits 1 and 4 followed a visit to 7
    history, places = history_of([n * HOUR for n in range(7)], [7, 1, 2, 7, 3, 7, 9])
    assert after_last(history, places).tolist() == [4, 1]


def test_recent_takes_the_last_ones() -> None:
    history, places = history_of(TIMES, [0, 1, 2, 3, 4, 5])
    assert remember(Memory(policy="recent", visits=2), history, 0, places).tolist() == [4, 3]


def test_mixed_is_half_recent_and_a_quarter_each_of_the_others() -> None:
    # last visible POI is 7 (place 9); recent: 9 8 7 ...; by hour (target Monday 08:00): 0 and 1 lie there; after 7: 4
    local = [MONDAY - 7 * DAY + 8 * HOUR, MONDAY - 6 * DAY + 8 * HOUR, *(MONDAY - DAY + n * 60 for n in range(8))]
    history, places = history_of([*local, MONDAY + 8 * HOUR], [0, 1, 2, 7, 4, 5, 6, 8, 9, 7, 3])
    assert remember(Memory(policy="mixed", visits=4), history, 0, places).tolist() == [9, 0, 8, 4]
    assert remember(Memory(policy="mixed", visits=8), history, 0, places).tolist() == [9, 0, 8, 4, 7, 1, 6, 5]


@pytest.mark.parametrize("policy", ["recent", "same_hour", "mixed"])
@pytest.mark.parametrize("visits", [0, 1, 3, 5, 50])
def test_every_policy_shows_distinct_visible_visits(policy: Any, visits: int) -> None:
    history, places = history_of(TIMES, [0, 1, 0, 1, 0, 1])
    shown = remember(Memory(policy=policy, visits=visits), history, 0, places).tolist()
    assert len(shown) == len(set(shown)) == min(visits, 5)
    assert set(shown) <= set(places.tolist())


@pytest.mark.parametrize("policy", ["recent", "same_hour", "mixed"])
def test_no_visit_is_no_error(policy: Any) -> None:
    history, places = history_of(TIMES[-1:], [0])
    assert len(remember(Memory(policy=policy, visits=5), history, 0, places)) == 0


def test_a_hidden_target_time_is_not_used() -> None:
    chosen = []
    for hour in (8, 20):
        history, places = history_of([*TIMES[:-1], MONDAY + hour * HOUR], [0, 1, 0, 1, 0, 1], known=False)
        for policy in ("same_hour", "mixed"):
            chosen.append((policy, remember(Memory(policy=policy, visits=3), history, 0, places).tolist()))
    assert chosen[:2] == chosen[2:]
