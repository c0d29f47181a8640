"""EvidenceSpec: which past a query may see, which candidates it gets and how the counters are weighted."""

from typing import Literal, Self

from pydantic import Field, model_validator

from refinepoi.core.spec import Count, NonNegative, Positive, Share, Spec
from refinepoi.evidence.names import SOURCES, TIMED_SOURCES, counter_names


class PoolSpec(Spec):
    """Where candidates come from, beside the POIs the user has visited."""

    next: int = Field(ge=0, description="most frequent successors of the last POI among everybody's visits")
    popular: int = Field(ge=0, description="most visited POIs, at the target's hour where it is known")
    near: int = Field(ge=0, description="POIs nearest to the last one")


class HabitSpec(Spec):
    """The kernel of a user's habits: hour x weekday x recency."""

    hour_width: Positive = Field(description="hours, standard deviation")
    recency_days: Positive = Field(description="a visit this old counts 1/e")
    fresh_days: Positive = Field(description="the same, for what changes faster")
    trail: Positive = Field(description="a visit so many visits ago counts 1/e")
    near_km: Positive = Field(description="a visit after one so far from the last POI counts 1/e")
    same_kind: Share = Field(description="weight of another weekday of the same kind (working day or weekend)")
    other_kind: Share = Field(description="weight of a day of the other kind")


class OrderSpec(Spec):
    """The cheap score that orders the candidates and cuts the pool: weights of log(1 + 10 counter)."""

    known: dict[str, float] = Field(description="where the target's time is known")
    hidden: dict[str, float] = Field(description="where it is hidden; counters that need it are 0 there")


class DiscoverySpec(Spec):
    """Where people go for the first time (`discovery.py`)."""

    part: Share = Field(description="of the candidates so many are held for the likeliest new places")
    refresh_days: Positive = Field(description="everybody's visits are summed up anew after so many")
    people: Count = Field(description="the most alike people, who are asked")
    cell_km: Positive = Field(description="side of the cells that sums over an area are taken in")
    area_km: Positive = Field(description="kernel around own places")
    weights: OrderSpec = Field(description="of log(1 + 10 source): the order among new places")


class EvidenceSpec(Spec):
    history: Literal["all", "train_prefix"]
    target_time: Literal["known", "hidden"]
    candidates: Count
    pool: PoolSpec
    discovery: DiscoverySpec
    decay_days: tuple[Positive, ...]
    hour_widths: tuple[Positive, ...]
    habit: HabitSpec
    gap_width: Positive = Field(description="standard deviation of the match of elapsed gaps, in log hours")
    near_km: tuple[Positive, ...]
    order: OrderSpec
    blackout_days: NonNegative = Field(
        description="train_prefix: a train query's training history ends 0 to this many days before its trajectory"
    )
    chunk: Count = Field(description="queries counted at a time; memory only")
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _order_names_counters(self) -> Self:
        unknown = sorted((self.order.known.keys() | self.order.hidden.keys()) - set(self.counters))
        if unknown:
            raise ValueError(f"order: no counter named {', '.join(unknown)}; there are {', '.join(self.counters)}")
        wrong = sorted((self.discovery.weights.known.keys() | self.discovery.weights.hidden.keys()) - set(SOURCES))
        if wrong:
            raise ValueError(f"discovery.weights: no source named {', '.join(wrong)}; there are {', '.join(SOURCES)}")
        timed = sorted(self.discovery.weights.hidden.keys() & set(TIMED_SOURCES))
        if timed:
            raise ValueError(f"discovery.weights.hidden: {', '.join(timed)} need the target's time; take them out")
        return self

    @property
    def counters(self) -> tuple[str, ...]:
        """Names of what is counted."""
        return counter_names(self.decay_days, self.hour_widths, self.near_km)

    @property
    def weights(self) -> dict[str, float]:
        """The order that applies."""
        return self.order.known if self.target_time == "known" else self.order.hidden
