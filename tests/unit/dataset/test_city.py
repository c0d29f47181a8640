"""The simulated city: pieces, determinism, and its figures against New York's (docs/city.md)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from refinepoi.core.seeding import generator
from refinepoi.dataset.city import simulate_city
from refinepoi.dataset.habits import active_days
from refinepoi.dataset.places import KINDS, draw_map, hour_shares, pick
from refinepoi.dataset.realism import figures, profile_distance
from refinepoi.dataset.stage import trajectories_of

# NYC, from `python benchmarks/city_realism.py` (docs/city.md); beside each how far the city may be away
NYC = {
    "checkins_per_user": (97.3, 20.0),
    "trajectory_length": (7.3, 1.0),
    "return_share": (0.776, 0.04),
    "target_return_share": (0.780, 0.08),
    "zipf_exponent": (1.291, 0.15),
    "place_growth": (0.623, 0.06),
    "top_place_share": (0.269, 0.03),
    "poi_gini": (0.487, 0.08),
    "radius_km_median": (5.08, 2.2),
    "radius_km_p90": (10.6, 3.2),
    "jump_km_median": (1.38, 1.0),
    "gap_hours_median": (2.42, 0.5),
    "weekend_share": (0.250, 0.05),
    "user_frequency_acc1": (0.244, 0.07),
    "hour_frequency_acc1": (0.313, 0.09),
}
NYC_HOURS = [
    *(0.0289, 0.0203, 0.0156, 0.0117, 0.0094, 0.0167, 0.0311, 0.0571, 0.0813, 0.0694, 0.0480, 0.0403),
    *(0.0483, 0.0561, 0.0493, 0.0466, 0.0424, 0.0537, 0.0598, 0.0567, 0.0507, 0.0386, 0.0347, 0.0332),
]


@pytest.mark.parametrize("seed", [0, 1])
def test_it_moves_like_new_york(load_spec: Callable[..., Any], seed: int) -> None:
    made = trajectories_of(load_spec("city", {"seed": seed}))
    found = figures(made)
    far = {k: (found[k], nyc) for k, (nyc, tolerance) in NYC.items() if abs(found[k] - nyc) > tolerance}
    assert not far
    assert profile_distance(found["hours"], NYC_HOURS) < 0.1
    assert found["hour_frequency_acc1"] > found["user_frequency_acc1"] + 0.07  # NYC: +.069
    splits = made.facts["counts"]["splits"]
    assert 2000 <= splits["train"]["samples"] <= 16_000 and 400 <= made.pois.height <= 600
    assert all(200 <= splits[s]["samples"] <= 500 for s in ("validation", "test"))


def small(load_spec: Callable[..., Any], **changes: Any) -> Any:
    return load_spec(
        "city", {"city.users": 12, "city.pois": 100, "city.days": 30} | {f"city.{k}": v for k, v in changes.items()}
    ).city


def test_seeds_differ_and_repeat(load_spec: Callable[..., Any]) -> None:
    model = small(load_spec)
    assert simulate_city(model, 5).equals(simulate_city(model, 5))
    assert not simulate_city(model, 5).equals(simulate_city(model, 6))


def test_more_people_move_nobody(load_spec: Callable[..., Any]) -> None:
    few, many = simulate_city(small(load_spec), 5), simulate_city(small(load_spec, users=20), 5)
    assert many.filter(many["user"].is_in(few["user"].unique().to_list())).drop("user").equals(few.drop("user"))


def test_the_clock(load_spec: Callable[..., Any]) -> None:
    rows = simulate_city(small(load_spec, utc_offset_hours=-5.0, start="2024-01-01"), 0)
    local = rows["time"] - 5 * 3600
    first = 1704067200  # 2024-01-01 00:00
    assert local.min() >= first and local.max() < first + 30 * 86_400


def test_places_are_where_the_map_says(load_spec: Callable[..., Any]) -> None:
    model = small(load_spec)
    city = draw_map(model, 0)
    assert set(city.kind) == set(range(len(KINDS))) and len(city.kind) == 100
    rows = simulate_city(model, 0)
    place = rows.filter(rows["poi"] == rows["poi"][0])
    assert place["latitude"].n_unique() == 1
    north = (place["latitude"][0] - model.centre[0]) * 111.195
    assert north == pytest.approx(city.xy[int(place["poi"][0][1:]), 1], abs=1e-3)


def test_hour_shares_peak_where_they_should() -> None:
    shares = hour_shares()
    np.testing.assert_allclose(shares.sum(-1), 1)
    office, bar = (next(k for k, kind in enumerate(KINDS) if kind.name == name) for name in ("Office", "Bar"))
    assert shares[office, 0].argmax() == 8 and shares[bar, 1].argmax() in (22, 23)
    assert shares[bar, 0, 1] > shares[bar, 0, 12]  # around midnight: the kernel wraps


def test_pick_is_proportional() -> None:
    weights = np.array([0.0, 1.0, 0.0, 3.0])
    drawn = [pick(weights, u) for u in np.linspace(0, 1, 400, endpoint=False)]
    assert drawn.count(1) == 100 and drawn.count(3) == 300


def test_active_days_come_in_spells(load_spec: Callable[..., Any]) -> None:
    model = small(load_spec, days=3000, active_share=0.35, spell_days=4.0)
    runs, share = [], []
    for person in range(30):
        active = active_days(model, generator(0, str(person)))
        edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(int), [0]])))
        runs.append(np.mean(edges[1::2] - edges[::2]))
        share.append(active.mean())
    assert np.mean(runs) == pytest.approx(4.0, abs=0.3)
    assert np.median(share) == pytest.approx(0.35, abs=0.06)
