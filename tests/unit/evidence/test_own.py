import numpy as np

from refinepoi.evidence.spec import HabitSpec
from refinepoi.evidence.visits import hour_kernel, hours_apart, match_gap, weekday_weight
from refinepoi.evidence.world import hour_of, weekday_of

HABIT = HabitSpec(
    hour_width=1.0, recency_days=30.0, fresh_days=9.0, trail=9.0, near_km=1.0, same_kind=0.5, other_kind=0.1
)


def test_the_clock_is_round() -> None:
    assert hours_apart(np.array([23.5, 1.0, 6.0]), np.array([0.5, 23.0, 18.0])).tolist() == [1.0, 2.0, 12.0]
    np.testing.assert_allclose(hour_kernel(np.array([0.0, 2.0]), 2.0), [1.0, np.exp(-0.5)])


def test_weekdays_of_a_kind() -> None:
    monday, friday, saturday, sunday = 0, 4, 5, 6
    a = np.array([monday, monday, monday, saturday])
    b = np.array([monday, friday, sunday, sunday])
    assert weekday_weight(a, b, HABIT).tolist() == [1.0, 0.5, 0.1, 0.5]


def test_known_calendar_days() -> None:
    local = np.array([1_333_475_999, 1_333_476_000])  # 2012-04-03 17:59:59 and 18:00:00, a Tuesday
    assert weekday_of(local).tolist() == [1, 1]
    np.testing.assert_allclose(hour_of(local), [17 + 3599 / 3600, 18.0])


def test_gaps_that_do_not_exist_match_nothing() -> None:
    a, b = np.array([1.0, np.inf, 1.0, np.inf]), np.array([1.0, 1.0, np.nan, np.nan])
    assert match_gap(a, b, 0.5).tolist() == [1.0, 0.0, 0.0, 0.0]
