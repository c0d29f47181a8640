import numpy as np

from refinepoi.features.time import mixed, profile, sums_by, visit_waves

FRIDAY, SATURDAY, MONDAY = 1, 2, 4  # days after Thursday, 1 January 1970


def at(day: int, hour: float) -> int:
    return int(day * 86_400 + hour * 3600)


def test_six_in_the_morning_by_hand() -> None:
    wave = visit_waves(np.array([at(FRIDAY, 6)]), 2)[0]
    np.testing.assert_allclose(wave, [1, 0, -1, 1, 0, 0, 0, 0, 0, 0], atol=1e-12)  # count, cos 1 2, sin 1 2 | weekend


def test_weekends_are_saturday_and_sunday() -> None:
    days = np.array([at(day, 12) for day in range(SATURDAY, SATURDAY + 7)])
    np.testing.assert_array_equal(visit_waves(days, 1)[:, 3], [1, 1, 0, 0, 0, 0, 0])


def test_before_1970_too() -> None:
    np.testing.assert_allclose(visit_waves(np.array([at(-3, 6)]), 1)[0], [1, 0, 1, 0, 0, 0], atol=1e-12)  # a Monday


def test_profile_is_the_mean_wave_and_the_weekend_share() -> None:
    local = np.array([at(FRIDAY, 0), at(MONDAY, 12), at(SATURDAY, 18)])
    sums = sums_by(np.array([0, 0, 0]), visit_waves(local, 1), 2)
    np.testing.assert_allclose(profile(sums)[0], [0, 0, 0, -1, 1 / 3], atol=1e-12)
    np.testing.assert_array_equal(profile(sums)[1], np.zeros(5))  # no visit at all


def test_prior_pulls_towards_the_wider_profile_by_its_number_of_visits() -> None:
    morning, evening = (sums_by(np.zeros(4, int), visit_waves(np.full(4, at(FRIDAY, h)), 1), 1) for h in (6, 18))
    np.testing.assert_allclose(profile(mixed(morning, evening, 0.0)), profile(morning))
    np.testing.assert_allclose(profile(mixed(morning, evening, 4.0))[0, 1], 0, atol=1e-12)
    np.testing.assert_allclose(profile(mixed(morning, evening, 12.0))[0, 1], (4 - 12) / 16)
    np.testing.assert_allclose(profile(mixed(morning * 0, evening, 3.0)), profile(evening))
