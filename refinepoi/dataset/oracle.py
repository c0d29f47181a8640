"""The best possible on the embedded city: who knows the generator, how often would they be right?

The walk of every person is made again, and at each sample the true distribution over the catalogue is written down:

`oracle`   knows the person's habits, parameters and whole past, the hour and that a check-in happens then, but not what
           brings it: each habit due near that hour, an impulse of each kind or a follow-up, by their intensities.
`insider`  also knows what brings it (this habit, an impulse of this kind, a follow-up). Nobody who knows less does
           better on average, so it is an upper bound for every method. The oracle takes the causes at one hour for
           independent of what has happened that day, which makes it a little weaker than the true posterior.

The figures are expectations over these distributions (Acc@k: their k largest chances; MRR: sum of chance over rank),
so they carry no luck of the draw. Chances are those among places of the catalogue.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.core.seeding import generator
from refinepoi.dataset.city import DAY, Walk, choose_places, first_day, weekends
from refinepoi.dataset.habits import AFTER, AFTER_HOURS, ANY, IMPULSE, Person, born, plan
from refinepoi.dataset.places import KINDS, Floats, Map, draw_map

if TYPE_CHECKING:
    from refinepoi.dataset.city_spec import CityModel

KS = (1, 5, 10)
LEAST_PUNCTUALITY = 0.05


def bounds(model: "CityModel", seed: int, trajectories: Trajectories) -> dict[str, dict[str, dict[str, float]]]:
    """{split: {oracle | insider: {Acc@1, Acc@5, Acc@10, MRR, samples}}} for validation and test."""
    found: dict[tuple[str, str], list[list[float]]] = {}
    wanted = samples_by_person(model, trajectories)
    catalogue = np.zeros(model.pois, bool)
    catalogue[[int(name[1:]) for name in trajectories.pois["poi_id"]]] = True
    city, weekend = draw_map(model, seed), weekends(model)
    for number, asked in wanted.items():
        rng = generator(seed, "city", "person", str(number))
        person = born(model, city, rng)
        events = plan(model, city, person, weekend, rng)
        chosen = choose_places(model, city, person, events, rng)
        walk = Walk(model, city, person, events)
        seconds = np.floor(events.hour * 3600).astype(np.int64)
        for n in range(len(chosen)):
            walk.arrive(n)
            split = asked.get((int(seconds[n]), int(chosen[n])))
            if split is not None:
                for name, chances in (
                    ("insider", insider(city, walk, n)),
                    ("oracle", oracle(model, city, person, walk, weekend, n)),
                ):
                    found.setdefault((split, name), []).append(expected(chances * catalogue))
            walk.visit(n, chosen[n])
    report: dict[str, dict[str, dict[str, float]]] = {}
    for (split, name), rows in sorted(found.items()):
        means = np.mean(rows, 0).round(4).tolist()
        figures = dict(zip([*(f"Acc@{k}" for k in KS), "MRR"], means, strict=True))
        report.setdefault(split, {})[name] = figures | {"samples": len(rows)}
    return report


def samples_by_person(model: "CityModel", trajectories: Trajectories) -> dict[int, dict[tuple[int, int], str]]:
    """person -> {(second since the first midnight, place): split} of validation and test targets."""
    asked = trajectories.queries.filter(pl.col("split") > 0)
    local = trajectories.checkins["local"].gather(asked["row"]) - first_day(model) * DAY
    users = trajectories.users["user_id"].gather(asked["user"])
    places = trajectories.pois["poi_id"].gather(asked["target"])
    wanted: dict[int, dict[tuple[int, int], str]] = {}
    for user, second, place, split in zip(users, local, places, asked["split"], strict=True):
        wanted.setdefault(int(user[1:]), {})[int(second), int(place[1:])] = SPLITS[split]
    return wanted


def insider(city: Map, walk: Walk, n: int) -> Floats:
    """[places] chances of event n where its cause is known."""
    events = walk.events
    origin = int(events.origin[n])
    if origin < 0:
        return going(city, walk, n, int(events.kind[n]))
    habit = events.habits[origin]
    chances = (1 - habit.fidelity) * going(city, walk, n, habit.kind)
    chances[habit.usual] += habit.fidelity
    return chances


def oracle(
    model: "CityModel", city: Map, person: Person, walk: Walk, weekend: "np.ndarray[Any, Any]", n: int
) -> Floats:
    """[places] chances of event n where only its hour is known: causes weighed by their intensity then."""
    events, now = walk.events, float(walk.events.hour[n])
    day, clock = int(now // 24), int(now % 24)
    chances = np.zeros(len(city.kind))
    of_kind = np.zeros(len(KINDS) + 1)  # the last one: any kind
    width = max(model.punctuality_hours, LEAST_PUNCTUALITY)
    for habit in events.habits:
        days = np.arange(max(0, day - 1), min(len(habit.due), day + 2))
        away = (now - 24 * days[habit.due[days]] - habit.hour) / width
        rate = habit.rate * float(np.exp(-0.5 * away**2).sum()) / (width * np.sqrt(2 * np.pi))
        chances[habit.usual] += rate * habit.fidelity
        of_kind[habit.kind] += rate * (1 - habit.fidelity)
    if events.active[min(day, len(events.active) - 1)]:
        taste = IMPULSE * person.taste
        of_kind[:-1] += model.impulses * taste / taste.sum() * city.hours[:, int(weekend[day]), clock]
    since = now - events.hour[:n][events.origin[:n] != AFTER] - AFTER_HOURS
    since = since[since > 0]
    of_kind[ANY] += model.follow_ups * float(np.exp(-since / model.follow_up_hours).sum()) / model.follow_up_hours
    for kind in np.flatnonzero(of_kind > 0):
        chances += of_kind[kind] * going(city, walk, n, int(kind) if kind < len(KINDS) else ANY)
    return chances


def going(city: Map, walk: Walk, n: int, kind: int) -> Floats:
    """[places] chances of event n if it goes to a place of this kind (ANY: any) by exploration and return."""
    options, known, new, explore = walk.choice(n, kind)
    explore = min(explore, 1.0)
    chances = np.zeros(len(city.kind))
    if explore < 1:
        chances[options] += (1 - explore) * known / known.sum()
    if explore > 0 and new.any():
        chances[options] += explore * new / new.sum()
    return chances


def expected(chances: Floats) -> list[float]:
    """Acc@k for KS and MRR of the best ranking under these chances (made to sum to 1)."""
    ordered = np.sort(chances)[::-1] / max(chances.sum(), 1e-300)
    return [*(float(ordered[:k].sum()) for k in KS), float(ordered @ (1 / np.arange(1, len(ordered) + 1)))]
