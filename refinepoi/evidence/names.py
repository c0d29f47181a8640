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
)


def counter_names(
    decay_days: Sequence[float], hour_widths: Sequence[float], near_km: Sequence[float]
) -> tuple[str, ...]:
    return (*own_names(decay_days, hour_widths), *crowd_names(near_km))


def needs_time(name: str) -> bool:
    """Whether a counter uses the target's time; such a counter is 0 everywhere where that is hidden."""
    timed = ("user_hour", "user_habit", "user_gap_habit", "user_next_gap", "user_next_hour", "crowd_next_gap")
    return name.startswith((*timed, "popularity_hour"))


def own_names(decay_days: Sequence[float], hour_widths: Sequence[float]) -> tuple[str, ...]:
    """Counters of the user's own visible visits (`own.py`)."""
    return (
        "user_count",
        *(f"user_decay_{days:g}d" for days in decay_days),
        "user_prefix",
        "user_next",
        "user_next_gap",
        "user_next_hour",
        "user_next_gap_hour",
        "user_next2",
        *(f"user_hour_{width:g}h" for width in hour_widths),
        "user_hour_weekday",
        "user_hour_recent",
        "user_habit",
        "user_habit_share",
        "user_gap_habit",  # hour x weekday x match of the elapsed gap, whatever the last POI was
        "user_gap_habit_share",
        "user_recent_share",
        "days_since_visit",  # at least a minute; 0 is never
        "user_freshness",  # 1 / (0.1 + days since the last visit)
        "user_interval",  # mean days between the visits
        "visits_since_visit",  # 1 for the last POI
    )


def crowd_names(near_km: Sequence[float]) -> tuple[str, ...]:
    """Counters of everybody's training visits and of geography (`crowd.py`)."""
    return (
        "popularity",
        "popularity_hour",
        "crowd_next",
        "crowd_next_gap",
        *(f"near_{km:g}km" for km in near_km),
    )
