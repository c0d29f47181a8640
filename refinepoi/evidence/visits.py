"""Factors of a visible visit: how much it resembles, in one respect, the visit that is asked for; 0 .. 1 each.

Counters are sums over a place's visits of products of these (`names.SUMS`). Whatever needs the target's time is there
only where that is known.
"""

import numpy as np
import numpy.typing as npt

from refinepoi.evidence.sight import Sight
from refinepoi.evidence.spec import EvidenceSpec, HabitSpec
from refinepoi.evidence.world import Floats, Ints, Queries, World, kilometres


def factors(world: World, queries: Queries, sight: Sight, spec: EvidenceSpec) -> dict[str, Floats]:
    """[pairs] each, by the names that products are written in (`names.PRODUCTS`)."""
    query, row, habit = sight.query, sight.row, spec.habit
    linked = _linked(sight)
    if spec.history == "train_prefix":  # what lay between training and this trajectory is not seen, nor whether it was
        inside = world.trajectory[row] == queries.trajectory[query]
        linked[1:] &= inside[1:] == inside[:-1]
    follows, follows2 = _follows(world, sight, linked)
    last = sight.last[query]
    found = {
        "follows": follows,
        "follows2": follows2,
        "near": linked * np.exp(-kilometres(world, world.poi[row - 1], world.poi[last]) / habit.near_km),
        "recent": np.exp(-ages(world, sight) / habit.recency_days),
        "fresh": np.exp(-ages(world, sight) / habit.fresh_days),
        "trail": np.exp(-behind(sight) / habit.trail),
    }
    if spec.target_time == "known":
        apart = hours_apart(world.hour[row], queries.hour[query])
        weekday, asked = world.weekday[row], queries.weekday[query]
        found |= {
            "gap": linked * match_gap(world.log_gap[row], sight.log_gap(world, queries)[query], spec.gap_width),
            "hour": hour_kernel(apart, habit.hour_width),
            "day": weekday_weight(weekday, asked, habit),
            "kind": ((weekday >= 5) == (asked >= 5)).astype(np.float64),
        }
    return found


def ages(world: World, sight: Sight) -> Floats:
    """[pairs] days from each visit to the query's reference time."""
    return np.asarray((sight.reference[sight.query] - world.utc[sight.row]) / 86_400.0)


def behind(sight: Sight) -> Ints:
    """[pairs] visible visits after this one."""
    return np.asarray(sight.first[1:][sight.query] - 1 - np.arange(len(sight.row)))


def hours_apart(a: Floats, b: Floats) -> Floats:
    """Distance on the clock, 0 .. 12 hours."""
    apart = np.abs(a - b)
    return np.minimum(apart, 24.0 - apart)


def hour_kernel(apart: Floats, width: float) -> Floats:
    return np.asarray(np.exp(-0.5 * (apart / width) ** 2))


def weekday_weight(a: Ints, b: Ints, habit: HabitSpec) -> Floats:
    kind = np.where((a >= 5) == (b >= 5), habit.same_kind, habit.other_kind)
    return np.where(a == b, 1.0, kind)


def match_gap(a: Floats, b: Floats, width: float) -> Floats:
    """How well two elapsed gaps agree, 0 .. 1. a, b: log(1 + hours), infinite or NaN where there is none."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.exp(-0.5 * ((a - b) / width) ** 2))


def _linked(sight: Sight) -> npt.NDArray[np.bool_]:
    """[pairs] whether the user's check-in before this one is visible too."""
    linked = np.zeros(len(sight.row), np.bool_)
    linked[1:] = (sight.query[1:] == sight.query[:-1]) & (sight.row[1:] == sight.row[:-1] + 1)
    return linked


def _follows(world: World, sight: Sight, linked: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """[pairs] 1 where a visit came right after a visit to the last POI; the same for the last two POIs."""
    query, row = sight.query, sight.row
    linked2 = np.zeros(len(row), np.bool_)
    linked2[1:] = linked[1:] & linked[:-1]
    last = sight.last[query]
    follows = linked & (world.poi[row - 1] == world.poi[last])
    has_two = linked[sight.first[1:] - 1][query] if len(row) else linked
    follows2 = linked2 & follows & has_two & (world.poi[row - 2] == world.poi[last - 1])
    return follows.astype(np.float64), follows2.astype(np.float64)
