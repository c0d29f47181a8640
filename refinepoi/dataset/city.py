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
from refinepoi.dataset.habits import Events, Flags, Person, born, plan
from refinepoi.dataset.places import KINDS, Floats, Indices, Map, degrees, draw_map, pick

if TYPE_CHECKING:
    from refinepoi.dataset.city_spec import CityModel

DAY = 86_400
STAY_HOURS = 5.0
"""A person whose last check-in is younger than this is still around there; an older one starts from home."""


def simulate_city(model: "CityModel", seed: int) -> pl.DataFrame:
    """user, poi, category, category_id (text), latitude, longitude, time (epoch seconds, UTC), by person and time."""
    city = draw_map(model, seed)
    start, weekend = first_day(model), weekends(model)
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


def first_day(model: "CityModel") -> int:
    """Days from 1970 to the first one."""
    return (date.fromisoformat(model.start) - date(1970, 1, 1)).days


def weekends(model: "CityModel") -> Flags:
    """[days] whether it is Saturday or Sunday."""
    return np.asarray((first_day(model) + 3 + np.arange(model.days)) % 7 >= 5)


def choose_places(model: "CityModel", city: Map, person: Person, events: Events, rng: np.random.Generator) -> Indices:
    """A place for each event, [events]: the usual one where the event has it, else explored or returned to."""
    draws = rng.random((len(events.hour), 2))
    walk = Walk(model, city, person, events)
    chosen = events.place.copy()
    for n in range(len(chosen)):
        walk.arrive(n)
        if chosen[n] < 0:
            options, known, new, explore = walk.choice(n, events.kind[n])
            weights = new if draws[n, 0] < explore else known
            chosen[n] = options[pick(weights, draws[n, 1])]
        walk.visit(n, chosen[n])
    return chosen


class Walk:
    """One person's way through the events: where they are, where they have been, and so where they may go."""

    def __init__(self, model: "CityModel", city: Map, person: Person, events: Events) -> None:
        self.model, self.city, self.person, self.events = model, city, person, events
        self.visits = np.zeros(len(city.kind))
        self.known, self.here, self.last_hour = 0, person.home, -np.inf
        self.options_of = [*(city.of_kind(kind) for kind in range(len(KINDS))), np.arange(len(city.kind))]

    def arrive(self, n: int) -> None:
        """Before event n: who has not been seen for a while starts from home."""
        if self.events.hour[n] - self.last_hour > STAY_HOURS:
            self.here = self.person.home

    def choice(self, n: int, kind: int) -> tuple[Indices, Floats, Floats, float]:
        """
        Places of a kind (-1: any) for event n: options [m], the weights of known and of new ones [m], and the chance
        that the new ones decide (1 or 0 where only one of the two has any weight).
        """
        options = self.options_of[kind]
        suits = self.city.nearness(options, self.city.xy[self.here], self.person.reach)
        suits = suits * self.events.appeal[self.city.kind[options], n]
        known = suits * self.visits[options]
        new = suits * self.city.popularity[options] * (self.visits[options] == 0)
        explore = self.model.explore * max(self.known, 1) ** -self.model.explore_decay
        if not known.any():
            explore = np.inf
        elif not new.any():
            explore = 0.0
        return options, known, new, explore

    def visit(self, n: int, place: int) -> None:
        self.here, self.last_hour = place, self.events.hour[n]
        self.known += int(self.visits[place] == 0)
        self.visits[place] += 1
