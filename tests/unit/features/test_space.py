import numpy as np

from refinepoi.features.space import centre_of, local_kilometres, sphere, waves


def test_sphere_points() -> None:
    points = sphere(np.array([0.0, 0.0, 90.0, -90.0]), np.array([0.0, 90.0, 33.0, 0.0]))
    np.testing.assert_allclose(points, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1]], atol=1e-12)


def test_centre_and_kilometres_across_the_date_line() -> None:
    latitude, longitude = np.array([10.0, 10.0]), np.array([179.9, -179.9])
    centre = centre_of(latitude, longitude)
    assert abs(abs(centre[1]) - 180) < 1e-9
    east = local_kilometres(latitude, longitude, centre)[:, 0]
    np.testing.assert_allclose(east, [-10.951, 10.951], atol=1e-2)  # 0.1 degrees at 10 N


def test_local_kilometres_agree_with_great_circles_in_a_city() -> None:
    draw = np.random.default_rng(0)
    latitude, longitude = 40.7 + draw.normal(0, 0.05, 30), -74 + draw.normal(0, 0.05, 30)
    flat = local_kilometres(latitude, longitude, centre_of(latitude, longitude))
    chord = np.linalg.norm(np.diff(sphere(latitude, longitude), axis=0), axis=1)
    round_trip = 2 * 6371.0088 * np.arcsin(chord / 2)
    np.testing.assert_allclose(np.linalg.norm(np.diff(flat, axis=0), axis=1), round_trip, rtol=2e-3)


def test_waves_repeat_after_one_length_along_each_direction_and_not_before() -> None:
    here = np.array([[0.3, -1.2]])
    for column, angle in enumerate(np.radians([0, 60, 120])):
        step = np.array([[np.cos(angle), np.sin(angle)]])
        start, whole, half = (waves(here + step * s, [5.0])[0, [column, column + 3]] for s in (0, 5.0, 2.5))
        np.testing.assert_allclose(whole, start, atol=1e-12)
        np.testing.assert_allclose(half, -start, atol=1e-12)


def test_no_scales_no_columns() -> None:
    assert waves(np.zeros((3, 2)), []).shape == (3, 0)
