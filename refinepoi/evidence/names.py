"""Names of the counters and of the query's own facts, in the order of the arrays of `Evidence`."""

from collections.abc import Sequence

CONTEXT = (
    "hour",  # of the target, local clock, fractional; NaN where hidden
    "weekday",  # of the target, 0 is Monday; NaN where hidden
    "gap_hours",  # from the last visible visit to the target; NaN where hidden or without a visit
    "history_visits",  # visible visits of the user
    "history_pois",  # distinct POIs among them
    "prefix_length",  # visible visits of the current trajectory
    "last_hour",  # of the last visible visit; NaN without one
    "last_weekday",
    "history_days",  # from the last visible visit outside the trajectory to the reference time; NaN without one
    "new_share",  # of the newest visits, how many were the first to their POI; NaN without a visit
    "new_share_hour",  # the same around the target's hour; NaN where hidden or without a visit
)

TIMED_FACTORS = ("gap", "hour", "day", "kind")
"""Factors of a visit (`visits.py`) that need the target's time."""

SUMS: dict[str, tuple[str, ...]] = {
    "user_next": ("follows",),
    "user_next_gap": ("follows", "gap"),
    "user_next_hour": ("follows", "hour"),
    "user_next_gap_hour": ("follows", "gap", "hour", "day"),
    "user_next2": ("follows2",),
    "user_near_next": ("near",),  # after a visit near the last POI
    "user_near_habit": ("near", "gap", "hour", "day"),
    "user_trail": ("trail",),  # recency in visits instead of days
    "user_kind_recent": ("kind", "recent"),
    "user_hour_weekday": ("hour", "day"),
    "user_hour_recent": ("hour", "recent"),
    "user_habit": ("hour", "day", "recent"),
    "user_gap_habit": ("gap", "hour", "day"),  # whatever the last POI was
}
"""Counters that add up, over the user's visible visits to a POI, a product of factors."""

SHARES: dict[str, tuple[str, ...]] = {
    "user_recent_share": ("recent",),
    "user_habit_share": ("hour", "day", "recent"),
    "user_gap_habit_share": ("gap", "hour", "day"),
    "user_near_habit_share": ("near", "gap", "hour", "day"),
    "user_next_share": ("follows", "gap", "recent"),
    "user_trail_share": ("trail", "hour"),
    "user_kind_share": ("kind", "hour", "fresh"),
}
"""The same as a POI's part of the sum over all visits of the user."""

CATEGORY_SUMS: dict[str, tuple[str, ...]] = {
    "category_recent": ("recent",),
    "category_habit": ("hour", "day", "recent"),
}
CATEGORY_SHARES: dict[str, tuple[str, ...]] = {"category_habit_share": ("hour", "day", "recent")}
"""Sums and shares over the user's visits to any POI of the category."""

PRODUCTS = SUMS | SHARES | CATEGORY_SUMS | CATEGORY_SHARES

SOURCES = (  # of new places (`discovery.py`); 0 where the user has been
    "new_near",  # 1 / (50 m + distance from the last place)
    "new_near_soon",  # the same, less with the time since
    "new_area",  # near where the user is at this hour
    "new_alike",  # visited by people with the same places
    "new_people",  # distinct visitors
    "new_category",  # part of its category in first visits at this hour
    "new_own_category",  # part of its category in own visits around this hour
)
TIMED_SOURCES = ("new_near_soon", "new_category", "new_own_category")
DISCOVERY = (*SOURCES, "new_likely")  # the last: probability among all new places


def counter_names(
    decay_days: Sequence[float], hour_widths: Sequence[float], near_km: Sequence[float]
) -> tuple[str, ...]:
    return (*own_names(decay_days, hour_widths), *category_names(), *crowd_names(near_km), *DISCOVERY)


def needs_time(name: str) -> bool:
    """Whether a counter uses the target's time; such a counter is 0 everywhere where that is hidden."""
    timed = ("user_hour", "user_rhythm", "crowd_next_gap", "popularity_hour", *TIMED_SOURCES)
    return name.startswith(timed) or any(factor in TIMED_FACTORS for factor in PRODUCTS.get(name, ()))


def own_names(decay_days: Sequence[float], hour_widths: Sequence[float]) -> tuple[str, ...]:
    """Counters of the user's own visible visits (`own.py`)."""
    return (
        "user_count",
        *(f"user_decay_{days:g}d" for days in decay_days),
        "user_prefix",
        *SUMS,
        *(f"user_hour_{width:g}h" for width in hour_widths),
        *(f"user_hour_{width:g}h_share" for width in hour_widths),
        *SHARES,
        "days_since_visit",  # at least a minute; 0 is never
        "user_freshness",  # 1 / (0.1 + days since the last visit)
        "user_interval",  # mean days between the visits
        "user_rhythm",  # earlier waits between two visits that were as long as the present one
        "user_rhythm_hazard",  # those, per wait that was at least about as long
        "visits_since_visit",  # 1 for the last POI
    )


def category_names() -> tuple[str, ...]:
    """Counters of the user's visible visits to the category of a POI (`own.py`)."""
    return (*CATEGORY_SUMS, *CATEGORY_SHARES)


def crowd_names(near_km: Sequence[float]) -> tuple[str, ...]:
    """Counters of everybody's training visits and of geography (`crowd.py`)."""
    return (
        "popularity",
        "popularity_hour",
        "crowd_next",
        "crowd_next_gap",
        *(f"near_{km:g}km" for km in near_km),
    )
