"""What a person of the embedded city means to do: active spells, weekly habits, impulses and what follows on them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from refinepoi.dataset.places import HOME, KINDS, OFFICE, Floats, Indices, Map, pick

if TYPE_CHECKING:
    from refinepoi.dataset.city_spec import CityModel

Flags = npt.NDArray[np.bool_]

ANY = -1
IMPULSIVE, AFTER = -1, -2
"""Origins of events that no habit brings: impulses, and check-ins soon after another one."""
EVENNESS = 1.5
"""Concentration of the chances that habits are followed: small makes a few habits dominate a person's life."""
LOYALTY = 6.0
"""Concentration of the chances that habits go to their usual place."""
PASSING = 0.4
"""Share of habits that come and go."""
ON_WEEKENDS, TWICE_A_WEEK = 0.45, 0.4
COMMUTE = 4.0
"""People accept this many times the usual distance to their office."""
REACH_SPREAD = 0.9
"""Spread of the log distance scale between people."""
OTHERS_HOMES = 0.15
AFTER_HOURS = 0.1
"""A follow-up comes no sooner than this."""
HABIT = np.array([kind.habit for kind in KINDS])
IMPULSE = np.array([kind.impulse for kind in KINDS])


@dataclass(frozen=True)
class Person:
    """home, work: places. taste: [kinds]. reach: km within which places feel near."""

    home: int
    work: int
    taste: Floats
    reach: float


@dataclass(frozen=True)
class Habit:
    """What is done weekly: kind, usual place, hour; chances to be followed and to go to that place. due: [days]."""

    kind: int
    usual: int
    hour: float
    rate: float
    fidelity: float
    due: Flags


@dataclass(frozen=True)
class Events:
    """
    One person's check-ins to be, in order of time. hour: [events], since the first midnight. place, kind: [events], -1
    = open. appeal: [kinds, events], how well a kind of place suits person and hour. origin: [events], row of `habits`,
    IMPULSE_OF or AFTER. active: [days].
    """

    hour: Floats
    kind: Indices
    place: Indices
    appeal: Floats
    origin: Indices
    habits: tuple[Habit, ...]
    active: Flags


def born(model: "CityModel", city: Map, rng: np.random.Generator) -> Person:
    """A person with a home in a peopled neighbourhood and an office not too far."""
    reach = model.distance_km * float(np.exp(rng.normal() * REACH_SPREAD))
    lives_at = city.quarters[rng.choice(len(city.quarters), p=city.people)] + rng.normal(size=2)
    homes, offices = np.flatnonzero(np.isin(city.kind, HOME)), city.of_kind(OFFICE)
    home = int(homes[np.argmin(np.hypot(*(city.xy[homes] - lives_at).T))])
    work = city.explore(offices, city.xy[home], COMMUTE * reach, rng.random())
    taste = rng.gamma(0.7, size=len(KINDS))
    taste[[kind for kind in HOME if kind != city.kind[home]]] *= OTHERS_HOMES
    return Person(home, work, taste, reach)


def plan(model: "CityModel", city: Map, person: Person, weekend: Flags, rng: np.random.Generator) -> Events:
    """All that one person will do. weekend: [days]."""
    active = active_days(model, rng)
    habits: list[Habit] = []
    parts: list[tuple[npt.NDArray[Any], ...]] = []
    for number in range(1 + rng.poisson(max(model.routines - 1, 0))):
        one, hours, places = habit(model, city, person, weekend, active, rng)
        habits.append(one)
        parts.append((hours, np.full(len(hours), one.kind), places, np.full(len(hours), number)))
    hours, kinds, places = impulses(model, city, person, weekend, active, rng)
    parts.append((hours, kinds, places, np.full(len(hours), IMPULSIVE)))
    hours = np.concatenate([part[0] for part in parts])
    after = hours[rng.random(len(hours)) < model.follow_ups]
    after = after + AFTER_HOURS + rng.exponential(model.follow_up_hours, len(after))
    parts.append((after, *(np.full(len(after), value) for value in (ANY, ANY, AFTER))))
    hour, kind, place, origin = (np.concatenate(column) for column in zip(*parts, strict=True))
    kept = np.flatnonzero((hour >= 0) & (hour < model.days * 24))
    order = kept[np.argsort(hour[kept], kind="stable")]
    clock = hour[order].astype(int)
    appeal = (IMPULSE * person.taste)[:, None] * city.hours[:, weekend[clock // 24].astype(int), clock % 24]
    return Events(hour[order], kind[order], place[order], appeal, origin[order], tuple(habits), active)


def active_days(model: "CityModel", rng: np.random.Generator) -> Flags:
    """Days with check-ins, [days]: runs of mean length `spell_days` that make up about `active_share` of all days."""
    share = float(np.clip(model.active_share * np.exp(rng.normal() * 0.4), 0.05, 0.9))
    stop = 1 / model.spell_days
    begin = min(1.0, stop * share / (1 - share))
    draws = rng.random(model.days)
    active = np.zeros(model.days, dtype=bool)
    on = draws[0] < share
    for day in range(model.days):
        active[day] = on
        on = draws[day] >= stop if on else draws[day] < begin
    return active


def habit(
    model: "CityModel", city: Map, person: Person, weekend: Flags, active: Flags, rng: np.random.Generator
) -> tuple[Habit, Floats, Indices]:
    """One weekly habit, and hours and places (-1 where it goes elsewhere) of the times it is followed."""
    days = np.arange(model.days)
    kind = pick(HABIT * person.taste, rng.random())
    on_weekends = rng.random() < ON_WEEKENDS and kind != OFFICE
    due = weekend if on_weekends else ~weekend
    if not on_weekends and rng.random() < TWICE_A_WEEK:
        due = due & np.isin(days % 7, rng.choice(days[~weekend][:5] % 7, size=2))
    if rng.random() < PASSING:
        begins = rng.uniform(-model.habit_days, model.days)
        due = due & (days >= begins) & (days < begins + model.habit_days * (0.5 + rng.exponential()))
    hour = pick(city.hours[kind, int(on_weekends)], rng.random()) + rng.random()
    rate = rng.beta(EVENNESS * model.routine_rate + 1e-6, EVENNESS * (1 - model.routine_rate) + 1e-6)
    followed = days[active & due & (rng.random(model.days) < rate)]
    usual = {int(city.kind[person.home]): person.home, OFFICE: person.work}.get(kind)
    if usual is None:
        at_work = 9 <= hour < 18 and not on_weekends
        near = city.xy[person.work if at_work else person.home]
        usual = city.explore(city.of_kind(kind), near, person.reach, rng.random())
    fidelity = rng.beta(LOYALTY * model.fidelity + 1e-6, LOYALTY * (1 - model.fidelity) + 1e-6)
    faithful = rng.random(len(followed)) < fidelity
    hours = followed * 24 + hour + rng.normal(size=len(followed)) * model.punctuality_hours
    one = Habit(kind, usual, hour, float(rate), float(fidelity), np.asarray(active & due))
    return one, hours, np.where(faithful, usual, -1)


def impulses(
    model: "CityModel", city: Map, person: Person, weekend: Flags, active: Flags, rng: np.random.Generator
) -> tuple[Floats, Indices, Indices]:
    """Check-ins of no habit: a kind of place to the person's taste, at an hour of that kind."""
    day = np.flatnonzero(active)
    day = day.repeat(rng.poisson(model.impulses, len(day)))
    draws = rng.random((len(day), 3))
    kinds = np.array([pick(IMPULSE * person.taste, u) for u in draws[:, 0]], dtype=np.int64)
    hours = [pick(city.hours[k, int(weekend[d])], u) for k, d, u in zip(kinds, day, draws[:, 1], strict=True)]
    return day * 24 + np.array(hours, dtype=float) + draws[:, 2], kinds, np.full(len(day), -1)
