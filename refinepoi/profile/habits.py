"""A user's habits as sentences, most telling first: counted from the given check-ins and the map, nothing else."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.trajectories import UNKNOWN, Trajectories
from refinepoi.profile.moments import DAY, IntArray, Moment
from refinepoi.prompt.area import centre, offset, where
from refinepoi.prompt.sanitise import sanitise

KINDS, ROUTINES, ROUTINE_DAYS = 5, 4, 3  # categories and routines named; different days that make a routine
LEAST_AT_AREA = 3  # check-ins that make an area
PARTS = (
    (0, 6, "night"),
    (6, 11, "morning"),
    (11, 14, "midday"),
    (14, 18, "afternoon"),
    (18, 24, "evening"),
)
LEVELS = ((3.0, "seldom active"), (10.0, "fairly active"), (np.inf, "very active"))  # check-ins a week


@dataclass(frozen=True)
class Map:
    """category: [P] harmless names; latitude, longitude: [P] degrees; centre: the middle of training's places."""

    category: npt.NDArray[np.object_]
    latitude: npt.NDArray[np.float64]
    longitude: npt.NDArray[np.float64]
    centre: tuple[float, float]

    @classmethod
    def of(cls, trajectories: Trajectories) -> Self:
        pois = trajectories.pois
        latitude, longitude = pois["latitude"].to_numpy(), pois["longitude"].to_numpy()
        return cls(np.array([sanitise(name) for name in pois["category"]], object), latitude, longitude, centre(pois))

    def area(self, pois: IntArray) -> tuple[float, float] | None:
        """Kilometres (north, east) of the centre: the medians of the places. None where they are too few."""
        if len(pois) < LEAST_AT_AREA:
            return None
        points = offset(self.latitude[pois], self.longitude[pois], self.centre)
        return float(np.median(points[0])), float(np.median(points[1]))


def sentences(moment: Moment, city: Map) -> list[str]:
    """What can be said of the check-ins of a moment (at least one), most telling first."""
    hour, day = moment.local // 3600 % 24, moment.local // DAY
    weekend = (day + 3) % 7 >= 5
    names = city.category[moment.poi]
    said = [_activity(moment), _kinds(names), _routines(names, hour, day, weekend), _hours(hour, weekend)]
    evening = (hour >= 20) | (hour < 7)
    work = ~weekend & (hour >= 9) & (hour < 17)
    home_area, work_area = city.area(moment.poi[evening]), city.area(moment.poi[work])
    if home_area:
        said.append(f"Home area, by evenings and nights: {where(*home_area)}.")
    if work_area:
        said.append(f"Work area, by weekday working hours: {where(*work_area)}.")
    said.append(_curiosity(moment))
    return [sentence for sentence in said if sentence]


def within(parts: list[str], words: int) -> str:
    """As many of the first sentences as fit into `words`; the first one cut short where even that is too long."""
    kept: list[str] = []
    for part in parts:
        more = part.split()
        if len(kept) + len(more) > words:
            break
        kept += more
    return " ".join(kept or (parts[0].split()[:words] if parts else []))


def _activity(moment: Moment) -> str:
    weeks = max(1.0, float(moment.utc[-1] - moment.utc[0]) / (7 * DAY))
    rate = len(moment.utc) / weeks
    level = next(name for bound, name in LEVELS if rate < bound)
    return f"{level.capitalize()}: {len(moment.utc)} check-ins, about {max(1, round(rate))} a week."


def _kinds(names: npt.NDArray[np.object_]) -> str:
    top = _most(Counter(name for name in names if name != UNKNOWN), KINDS)
    listed = ", ".join(f"{name} {round(100 * count / len(names))} %" for name, count in top)
    return f"Most visited: {listed}." if listed else ""


def _routines(names: npt.NDArray[np.object_], hour: IntArray, day: IntArray, weekend: npt.NDArray[np.bool_]) -> str:
    """What happens at the same hour on several days."""
    seen = {(bool(w), int(h), str(n), int(d)) for w, h, n, d in zip(weekend, hour, names, day, strict=True)}
    top = _most(Counter((w, h, n) for w, h, n, _ in seen if n != UNKNOWN), ROUTINES)
    texts = [
        f"{'weekends' if w else 'workdays'} around {h:02d}:00 {n} ({count} days)"
        for (w, h, n), count in top
        if count >= ROUTINE_DAYS
    ]
    return f"Routines: {'; '.join(texts)}." if texts else ""


def _hours(hour: IntArray, weekend: npt.NDArray[np.bool_]) -> str:
    share = [(float(((hour >= first) & (hour < end)).mean()), name) for first, end, name in PARTS]
    top = sorted(share, key=lambda pair: -pair[0])[:2]
    listed = " and ".join(f"{name} {round(100 * part)} %" for part, name in top if part > 0)
    return f"Hours: {listed}; weekends {round(100 * float(weekend.mean()))} %."


def _curiosity(moment: Moment) -> str:
    places = len(np.unique(moment.poi))
    new = round(100 * places / len(moment.poi))
    kind = "likes new ones" if new >= 60 else "returns to the same ones" if new <= 30 else "mixes old and new ones"
    return f"Knows {places} places and {kind}."


def _most(counts: Counter[Any], most: int) -> list[tuple[Any, int]]:
    """The greatest counts, ties in the order of the things counted."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:most]
