"""The embedded city: people with homes, workplaces, weekly habits and impulses. A fixture, never a source of claims.

`places.py` draws the map, `habits.py` what each person means to do and when; here they choose where. Where no usual
place decides, exploration and preferential return does (Song et al. 2010): a new place with probability rho * S **
-gamma after S places, by popularity and distance; otherwise a known one by visits and distance. Each person draws from
a generator of their own, so people added to the city move nobody else. docs/city.md holds its figures against New
York's.
"""

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from refinepoi.core.seeding import generator
from refinepoi.dataset.habits import Events, Person, born, plan
from refinepoi.dataset.places import KINDS, Indices, Map, degrees, draw_map, pick

if TYPE_CHECKING:
    from refinepoi.dataset.spec import CityModel

DAY = 86_400
STAY_HOURS = 5.0
"""A person whose last check-in is younger than this is still around there; an older one starts from home."""


def simulate_city(model: "CityModel", seed: int) -> pl.DataFrame:
    """user, poi, category, category_id (text), latitude, longitude, time (epoch seconds, UTC), by person and time."""
    city = draw_map(model, seed)
    start = (date.fromisoformat(model.start) - date(1970, 1, 1)).days
    weekend = (start + 3 + np.arange(model.days)) % 7 >= 5
    who, when, where = [], [], []
    for number in range(model.users):
        rng = generator(seed, "city", "person", str(number))
        person = born(model, city, rng)
        events = plan(model, city, person, weekend, rng)
        who.append(np.full(len(events.hour), number))
        when.append(events.hour)
        where.append(choose_places(model, city, person, events, rng))
    user, poi = np.concatenate(who), np.concatenate(where)
    local = start * DAY + np.floor(np.concatenate(when) * 3600).astype(np.int64)
    place, kind = degrees(city.xy, model.centre)[poi], city.kind[poi]
    width = len(str(max(model.users, model.pois) - 1))
    return pl.DataFrame(
        {
            "user": [f"u{n:0{width}}" for n in user.tolist()],
            "poi": [f"p{n:0{width}}" for n in poi.tolist()],
            "category": [KINDS[k].name for k in kind.tolist()],
            "category_id": [f"c{k:02}" for k in kind.tolist()],
            "latitude": place[:, 0],
            "longitude": place[:, 1],
            "time": local - round(model.utc_offset_hours * 3600),
        },
        schema_overrides={name: pl.String for name in ("user", "poi", "category", "category_id")},
    )


def choose_places(model: "CityModel", city: Map, person: Person, events: Events, rng: np.random.Generator) -> Indices:
    """A place for each event, [events]: the usual one where the event has it, else explored or returned to."""
    visits = np.zeros(len(city.kind))
    chosen = events.place.copy()
    draws = rng.random((len(chosen), 2))
    options_of = [*(city.of_kind(kind) for kind in range(len(KINDS))), np.arange(len(city.kind))]
    known, here, last_hour = 0, person.home, -np.inf
    for n in range(len(chosen)):
        if chosen[n] < 0:
            if events.hour[n] - last_hour > STAY_HOURS:
                here = person.home
            options = options_of[events.kind[n]]  # the last entry, every place, for an event open in kind (-1)
            suits = city.nearness(options, city.xy[here], person.reach) * events.appeal[city.kind[options], n]
            weights = suits * visits[options]
            new = suits * city.popularity[options] * (visits[options] == 0)
            explores = draws[n, 0] < model.explore * max(known, 1) ** -model.explore_decay
            if not weights.any() or (explores and new.any()):
                weights = new
            chosen[n] = options[pick(weights, draws[n, 1])]
        here, last_hour = chosen[n], events.hour[n]
        known += visits[here] == 0
        visits[here] += 1
    return chosen
