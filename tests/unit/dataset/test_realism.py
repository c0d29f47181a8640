import numpy as np
import polars as pl
import pytest

from refinepoi.artifacts.trajectories import CHECKINS, QUERIES, Trajectories
from refinepoi.dataset import realism

H = 3600


def table(*rows: tuple[int, int, int]) -> pl.DataFrame:
    """user, poi, utc."""
    return pl.DataFrame(rows, schema=["user", "poi", "utc"], orient="row")


def test_return_share_leaves_first_checkins_out() -> None:
    assert realism.return_share(table((0, 0, 0), (0, 1, 1), (0, 0, 2), (1, 0, 3), (1, 0, 4))) == pytest.approx(2 / 3)


def test_zipf_exponent_of_a_planted_law() -> None:
    visits = [round(4000 * r**-1.2) for r in range(1, 21)]
    rows = table(*[(0, poi, 0) for poi, n in enumerate(visits) for _ in range(n)])
    assert realism.zipf_exponent(rows) == pytest.approx(1.2, abs=0.01)


def test_place_growth_of_a_planted_law() -> None:
    poi, rows = 0, []
    for n in range(1, 51):
        poi = max(poi, round(3 * n**0.6))
        rows.append((0, poi, n))
    assert realism.place_growth(table(*rows)) == pytest.approx(0.6, abs=0.25)
    assert realism.place_growth(table(*[(0, n, n) for n in range(50)])) == pytest.approx(1.0)


def test_top_share_and_gini() -> None:
    assert realism.top_share(table((0, 0, 0), (0, 0, 1), (0, 1, 2), (1, 5, 3))) == pytest.approx((2 / 3 + 1) / 2)
    assert realism.gini(np.array([4, 4, 4])) == pytest.approx(0)
    assert realism.gini(np.array([0, 0, 0, 8])) == pytest.approx(0.75)


def test_distances() -> None:
    degree = np.pi / 180 * realism.EARTH_KM
    rows = pl.DataFrame(
        {
            "user": [0, 0, 0, 1],
            "trajectory": [0, 0, 0, 1],
            "poi": [0, 1, 1, 2],
            "utc": [0, 2 * H, 3 * H, 9 * H],
            "latitude": [60.0, 60.0, 60.0, 10.0],
            "longitude": [0.0, 1.0, 1.0, 5.0],
        }
    )
    np.testing.assert_allclose(realism.jump_lengths(rows), [degree / 2])  # cos 60 degrees = 1/2; staying is no jump
    radius = realism.radius_of_gyration(rows)
    np.testing.assert_allclose(np.sort(radius), [0, degree / 2 * np.sqrt(2) / 3], atol=1e-9)
    assert realism.gap_hours(rows) == pytest.approx(1.5)


def test_profiles() -> None:
    rows = pl.DataFrame({"local": [0, 25 * H, 49 * H, 23 * H]})
    shares = realism.hour_profile(rows)
    assert shares[[0, 1, 23]].tolist() == [0.25, 0.5, 0.25]
    assert realism.profile_distance([1, 0], [0.25, 0.75]) == 0.75


def test_ranking_figures_by_hand() -> None:
    """One user: 3 visits to POI 0 at 20 h, 2 to POI 1 at 8 h; asked at 8:30 (target 1), at 20:30 (target 2, new)."""
    day = 24 * H
    times = [
        20 * H,
        8 * H + day,
        20 * H + day,
        8 * H + 2 * day,
        20 * H + 2 * day,
        8.5 * H + 3 * day,
        20.5 * H + 3 * day,
    ]
    checkins = pl.DataFrame(
        {
            "user": [0] * 7,
            "poi": [0, 1, 0, 1, 0, 1, 2],
            "utc": [int(t) for t in times],
            "local": [int(t) for t in times],
            "trajectory": [0] * 7,
            "split": [0] * 5 + [1, 2],
        }
    ).cast(CHECKINS)  # type: ignore[arg-type]
    queries = pl.DataFrame(
        {"split": [0, 1, 2], "user": [0] * 3, "trajectory": [0] * 3, "row": [4, 5, 6], "target": [0, 1, 2]}
    ).cast(QUERIES)  # type: ignore[arg-type]
    pois = pl.DataFrame(
        {
            "poi_id": ["a", "b", "c"],
            "category_id": [""] * 3,
            "category": [""] * 3,
            "latitude": [0.0] * 3,
            "longitude": [0.0] * 3,
            "in_train": [True] * 3,
        }
    )
    made = Trajectories(checkins, pois, pl.DataFrame({"user_id": ["u"]}), queries, {})
    assert realism.ranking_figures(made) == (0.0, 0.5, 0.5)
