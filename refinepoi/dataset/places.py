"""The simulated city's map: kinds of places with their hours, neighbourhoods, and where places and homes lie."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from refinepoi.core.seeding import generator

if TYPE_CHECKING:
    from refinepoi.dataset.city_spec import CityModel

KM_A_DEGREE = 111.195
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Peak = tuple[float, float, float]


class Kind(NamedTuple):
    """A category: its share of all places, weight among habits and impulses, peaks (hour, width, weight)."""

    name: str
    share: float
    habit: float
    impulse: float
    weekday: tuple[Peak, ...]
    weekend: tuple[Peak, ...]


ALL_DAY: tuple[Peak, ...] = ((13.0, 4.0, 1.0),)
EVENING: tuple[Peak, ...] = ((19.5, 1.5, 1.0),)
NIGHT: tuple[Peak, ...] = ((23.0, 2.2, 1.0),)
HOMEWARD: tuple[Peak, ...] = ((8.0, 1.0, 0.5), (19.5, 2.5, 1.0))

KINDS = (
    Kind("Home (private)", 0.100, 3.0, 0.5, (*HOMEWARD, (0.0, 2.0, 0.6)), ((11.0, 3.0, 1.0), (0.5, 2.5, 1.0))),
    Kind("Residential Building", 0.060, 1.2, 0.4, (*HOMEWARD, (0.0, 2.0, 0.5)), ((12.0, 4.0, 1.0), (0.5, 2.5, 0.7))),
    Kind("Office", 0.110, 3.2, 0.4, ((8.7, 0.8, 1.0), (13.3, 1.0, 0.3)), ((11.0, 2.0, 1.0),)),
    Kind("Subway", 0.050, 2.2, 1.0, ((8.0, 0.9, 1.0), (17.7, 1.2, 0.9)), ALL_DAY),
    Kind("Train Station", 0.025, 1.3, 0.7, ((7.5, 0.8, 1.0), (17.5, 1.1, 1.0)), ALL_DAY),
    Kind("Bus Station", 0.025, 0.9, 0.4, ((7.3, 0.8, 1.0), (16.8, 1.2, 0.9)), ALL_DAY),
    Kind("Coffee Shop", 0.060, 1.7, 1.2, ((8.2, 0.9, 1.0), (14.5, 1.5, 0.4)), ((10.5, 1.8, 1.0),)),
    Kind("Deli / Bodega", 0.040, 0.9, 0.8, ((8.0, 1.2, 0.6), (12.7, 0.9, 0.8), (20.0, 2.0, 0.5)), ALL_DAY),
    Kind("Sandwich Place", 0.030, 0.5, 0.7, ((12.7, 0.8, 1.0),), ((13.0, 1.5, 1.0),)),
    Kind("American Restaurant", 0.045, 0.4, 1.3, ((12.8, 0.9, 0.6), *EVENING), ((12.5, 1.5, 0.7), *EVENING)),
    Kind("Pizza Place", 0.035, 0.3, 0.9, ((12.8, 1.0, 0.6), (19.5, 1.8, 1.0)), ((14.0, 2.5, 0.6), (20.0, 2.0, 1.0))),
    Kind("Chinese Restaurant", 0.030, 0.3, 0.8, ((13.0, 0.9, 0.7), (19.3, 1.4, 1.0)), EVENING),
    Kind("Bar", 0.070, 0.9, 2.0, NIGHT, NIGHT),
    Kind("Music Venue", 0.015, 0.1, 0.5, ((21.5, 1.3, 1.0),), ((22.0, 1.6, 1.0),)),
    Kind("Gym / Fitness Center", 0.045, 1.9, 0.5, ((6.8, 0.9, 0.7), (18.3, 1.2, 1.0)), ((11.0, 1.8, 1.0),)),
    Kind("Food & Drink Shop", 0.045, 0.9, 1.0, ((18.3, 1.8, 1.0),), ((13.5, 2.8, 1.0),)),
    Kind("Drugstore / Pharmacy", 0.030, 0.3, 0.8, ((17.5, 2.5, 1.0),), ALL_DAY),
    Kind("Clothing Store", 0.035, 0.1, 0.9, ((16.5, 2.2, 1.0),), ((15.0, 2.0, 1.0),)),
    Kind("Department Store", 0.020, 0.2, 0.7, ((17.0, 2.2, 1.0),), ((15.0, 2.2, 1.0),)),
    Kind("Park", 0.035, 0.6, 0.8, ((7.0, 1.0, 0.5), (16.5, 2.5, 1.0)), ((14.0, 2.5, 1.0),)),
    Kind("Movie Theater", 0.015, 0.1, 0.5, ((20.0, 1.2, 1.0),), ((18.5, 2.5, 1.0),)),
    Kind("University", 0.025, 1.2, 0.3, ((9.7, 1.3, 1.0), (14.0, 1.8, 0.8)), ((13.0, 2.0, 1.0),)),
    Kind("Medical Center", 0.025, 0.7, 0.4, ((9.0, 1.5, 1.0), (14.5, 1.8, 0.4)), ALL_DAY),
    Kind("Church", 0.020, 0.4, 0.1, ((19.0, 1.0, 1.0),), ((10.5, 0.9, 1.0),)),
    Kind("Road", 0.020, 0.5, 0.4, ((7.7, 0.9, 1.0), (17.3, 1.3, 1.0)), ALL_DAY),
)  # fmt: skip
HOME = (0, 1)
"""Kinds where a person's own one is their home."""
OFFICE = 2


@dataclass(frozen=True)
class Map:
    """
    xy: km [P, 2] east and north of the centre. kind: [P]. popularity: [P], positive. quarters: km [N, 2]; people: [N],
    shares. hours: [kinds, 2 (weekday, weekend), 24], chance of each hour.
    """

    xy: Floats
    kind: Indices
    popularity: Floats
    quarters: Floats
    people: Floats
    hours: Floats

    def of_kind(self, kind: int) -> Indices:
        return np.flatnonzero(self.kind == kind)

    def nearness(self, options: Indices, near: Floats, reach: float) -> Floats:
        """How near places feel from the point `near`, 1 (here) to 0; `reach` in km."""
        km = np.hypot(*(self.xy[options] - near).T)
        return np.asarray((1 + km / reach) ** -2.0)

    def explore(self, options: Indices, near: Floats, reach: float, draw: float) -> int:
        """A place among `options` (never empty) by popularity and nearness."""
        return int(options[pick(self.popularity[options] * self.nearness(options, near, reach), draw)])


def pick(weights: Floats, draw: float) -> int:
    """An index with probability proportional to its weight; `draw` in [0, 1)."""
    total = np.cumsum(weights)
    return min(int(np.searchsorted(total, draw * total[-1], side="right")), len(weights) - 1)


def hour_shares() -> Floats:
    """Chance of each hour of the day for each kind: [kinds, 2 (weekday, weekend), 24]."""
    hours = np.arange(24) + 0.5
    table = np.zeros((len(KINDS), 2, 24))
    for k, kind in enumerate(KINDS):
        for w, peaks in enumerate((kind.weekday, kind.weekend)):
            for centre, width, weight in peaks:
                away = np.abs(hours - centre) % 24
                bump = np.exp(-0.5 * (np.minimum(away, 24 - away) / width) ** 2)
                table[k, w] += weight * bump / bump.sum()
    return table / table.sum(-1, keepdims=True)


def draw_map(model: "CityModel", seed: int) -> Map:
    """Neighbourhoods on a spiral, denser in the middle, where people work; places scattered around them by kind."""
    rng = generator(seed, "city", "map")
    steps = np.arange(model.neighbourhoods) / max(1, model.neighbourhoods - 1)
    angles = GOLDEN_ANGLE * np.arange(model.neighbourhoods) + rng.uniform(0, 2 * np.pi)
    quarters = model.radius_km * (steps**1.3)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    quarters += rng.normal(size=quarters.shape) * 0.05 * model.radius_km
    distance = np.hypot(*quarters.T)
    people = rng.dirichlet(np.full(model.neighbourhoods, 4.0))
    business = np.exp(-3 * distance / model.radius_km) * rng.dirichlet(np.full(model.neighbourhoods, 4.0))
    business /= business.sum()
    kind = draw_kinds(model.pois, rng)
    living = np.isin(kind, HOME)
    quarter = np.where(
        living,
        rng.choice(model.neighbourhoods, model.pois, p=people),
        rng.choice(model.neighbourhoods, model.pois, p=0.5 * people + 0.5 * business),
    )
    xy = quarters[quarter] + rng.normal(size=(model.pois, 2)) * np.where(living, 0.8, 0.5)[:, None]
    popularity = np.exp(rng.normal(size=model.pois) * model.popularity)
    return Map(xy, kind, popularity, quarters, people, hour_shares())


def draw_kinds(pois: int, rng: np.random.Generator) -> Indices:
    """The kind of each place, [P]: one of every kind, the rest by their shares."""
    shares = np.array([kind.share for kind in KINDS])
    rest = rng.choice(len(KINDS), max(pois - len(KINDS), 0), p=shares / shares.sum())
    return np.sort(np.concatenate([np.arange(len(KINDS)), rest]))


def degrees(xy: Floats, centre: tuple[float, float]) -> Floats:
    """km from the centre -> latitude, longitude, [P, 2], to 6 decimals."""
    latitude = centre[0] + xy[:, 1] / KM_A_DEGREE
    longitude = centre[1] + xy[:, 0] / (KM_A_DEGREE * np.cos(np.radians(centre[0])))
    return np.round(np.stack([latitude, longitude], 1), 6)
