"""Cities side by side: each its own people and places, habits of another kind, far from the others."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from refinepoi.dataset.cities import SHARES, VARIED, simulate_cities, varied
from refinepoi.dataset.city import simulate_city
from refinepoi.dataset.stage import trajectories_of

SMALL = {"city.users": 12, "city.pois": 100, "city.days": 30}


@pytest.fixture
def model(load_spec: Callable[..., Any]) -> Any:
    return load_spec("city", SMALL).city


def test_the_first_is_the_city_itself_and_the_others_are_other_people_and_places(model: Any) -> None:
    rows, one = simulate_cities(model, 5, 3, 0.5), simulate_city(model, 5)
    assert rows.head(one.height).equals(one)
    rest = rows.tail(-one.height)
    assert {user[:2] for user in rest["user"].to_list()} == {"1u", "2u"}
    assert not set(rest["poi"].to_list()) & set(one["poi"].to_list())
    assert not rest.filter(rest["user"].str.starts_with("1") != rest["poi"].str.starts_with("1")).height
    by_city = rows.with_columns(city=rows["user"].str.head(1)).partition_by("city", maintain_order=True)
    ends = [part["longitude"].min() for part in by_city]
    assert all(1.0 < b - a < 2.0 for a, b in pairwise(ends))  # 85 to 170 km here; a city has 36


def test_more_cities_change_none_of_those_before(model: Any) -> None:
    few, many = simulate_cities(model, 5, 2, 0.5), simulate_cities(model, 5, 4, 0.5)
    assert many.head(few.height).equals(few) and many.height > few.height
    assert not simulate_cities(model, 6, 2, 0.5).equals(few)
    one, alike = simulate_city(model, 5), simulate_cities(model, 5, 2, 0.0)
    assert not alike.tail(-one.height)["time"].equals(one["time"])  # other people, not the same once more


def test_habits_vary_as_far_as_asked(model: Any) -> None:
    cities = [varied(model, 0, number, 0.4) for number in range(1, 30)]
    for name in VARIED:
        found, middle = [getattr(city, name) for city in cities], getattr(model, name)
        slack = 0.5 if name == "routines" else 1e-9  # whole habits
        assert min(found) >= min(0.6 * middle, middle) - slack and max(found) <= 1.4 * middle + slack
        assert len(set(found)) > 3 and min(found) < middle < max(found), name
        assert max(found) - min(found) > (0.3 if name not in SHARES else 0.15) * middle, name
    assert all(getattr(varied(model, 0, 1, 0.0), name) == getattr(model, name) for name in VARIED)


def test_they_take_the_road_of_all_data(load_spec: Callable[..., Any]) -> None:
    made = trajectories_of(load_spec("city", {"cities": 3, "vary": 0.5, "city.users": 40, "city.days": 60}))
    told = {user[:1] for user in made.users["user_id"].to_list()}
    assert told == {"u", "1", "2"} and "oracle" not in made.facts
    assert made.facts["protocol"]["dataset"] == "3 cities"
