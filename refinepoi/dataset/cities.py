"""Many embedded cities side by side, people of each with habits of another kind: data to learn to read habits from.

What holds in one city does not hold in the next, neither its places nor how faithful or how curious its people are; so
what a model learns from all of them is to read the evidence of a prompt, wherever it comes from.
"""

from typing import TYPE_CHECKING

import polars as pl

from refinepoi.core.seeding import generator
from refinepoi.dataset.city import simulate_city

if TYPE_CHECKING:
    from refinepoi.dataset.city_spec import CityModel

VARIED = (
    "active_share", "spell_days", "routines", "routine_rate", "fidelity", "habit_days", "punctuality_hours", "impulses",
    "follow_ups", "explore", "explore_decay", "distance_km", "popularity",
)  # fmt: skip
SHARES = ("active_share", "routine_rate", "fidelity", "follow_ups", "explore")
MOST = 0.95
"""No share is drawn above this, unless the city's own is."""
EAST = 1.5
"""Degrees from one city to the next: nobody visits two, and clocks stay within 3 hours of the sun's for 30 of them."""


def simulate_cities(model: "CityModel", seed: int, cities: int, vary: float) -> pl.DataFrame:
    """As `simulate_city`, city by city. The first is that of `seed` as it is; person u1 of the third is `2u1`."""
    rows = [simulate_city(model, seed)]
    for number in range(1, cities):
        other = simulate_city(varied(model, seed, number, vary), seed + number)
        named = (pl.format("{}{}", pl.lit(number), pl.col(name)).alias(name) for name in ("user", "poi"))
        rows.append(other.with_columns(*named))
    return pl.concat(rows)


def varied(model: "CityModel", seed: int, number: int, vary: float) -> "CityModel":
    """City `number` of a world: each of `VARIED` times a draw from 1 - vary to 1 + vary, and east of the one before."""
    draw = generator(seed, "cities", str(number))
    values: dict[str, object] = {}
    for name in VARIED:
        own = getattr(model, name)
        value = own * (1 + vary * draw.uniform(-1, 1))
        values[name] = min(value, max(MOST, own)) if name in SHARES else value
    values["routines"] = max(round(float(values["routines"])), 1)  # type: ignore[arg-type]
    values["spell_days"] = max(float(values["spell_days"]), 1.0)  # type: ignore[arg-type]
    latitude, longitude = model.centre
    values["centre"] = (latitude, (longitude + number * EAST + 180) % 360 - 180)
    return type(model)(**model.model_dump() | values)
