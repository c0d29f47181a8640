"""Settings of cleaning and protocol (docs/method.md section 4): which rows stay, how they are split, what is asked."""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from refinepoi.core.spec import Count, NonNegative, Positive, Share, Spec


def _check_day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a day written YYYY-MM-DD, such as 2012-04-01") from None
    return text


Day = Annotated[str, AfterValidator(_check_day)]


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Listed = BeforeValidator(_as_tuple)
"""A tuple may be written as a list: inside a model whose validator looked at its dict, strict pydantic refuses it."""


class CleaningSpec(Spec):
    """What happens to rows that cannot be used. They are always counted and the first ones listed."""

    max_bad_share: Share = Field(description="refuse the data beyond this share of unusable rows")
    max_duplicate_share: Share = Field(description="refuse the data beyond this share of exact duplicates")
    exact_duplicates: Literal["drop", "keep"] = Field(description="same user, POI and second: keep the first, or all")
    earliest: Day = Field(description="a check-in before this day (UTC) is unusable")
    latest: Day = Field(description="a check-in on or after this day (UTC) is unusable")
    listed: int = Field(ge=0, description="rows listed in the report, for each reason")


class SampleSpec(Spec):
    """Which check-ins are asked for, and how users are told apart by activity."""

    samples: Literal["sthgcn", "llm4poi", "gnpr"]
    train_queries: Literal["last", "every"] = Field(description="train samples: last visits, or all but the first")
    activity_groups: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Listed] = Field(
        description="cuts between groups of users by number of training trajectories, as shares; empty: one group"
    )

    @model_validator(mode="after")
    def _cuts_rise(self) -> Self:
        if list(self.activity_groups) != sorted(set(self.activity_groups)):
            raise ValueError(f"activity_groups must rise, such as [0.3, 0.7] (got {list(self.activity_groups)})")
        return self


class ProtocolSpec(SampleSpec):
    """From check-ins to split trajectories, in this order."""

    near_duplicate_minutes: NonNegative = Field(
        description="drop a check-in sooner than this at the same POI again; 0: off"
    )
    min_poi_checkins: Count
    min_user_checkins: Count
    passes: int = Field(ge=0, description="rounds of the two minimum counts, POIs first; 0: until nothing changes")
    isolation_hours: NonNegative = Field(description="drop a visit farther than this from both neighbours; 0: off")
    gap_hours: Positive = Field(description="a longer pause starts a new trajectory")
    min_trajectory: Count = Field(description="shorter trajectories are dropped")
    split: Literal["time", "last_trajectory", "last_visit"] = Field(
        description="shares of all check-ins by time, or each user's last trajectory (visit) for test, the one before "
        "for validation"
    )
    split_rows: Literal["all", "kept"] = Field(
        description="split=time: count the shares over all rows or the kept ones"
    )
    train_share: Share = Field(gt=0, description="split=time: first part of all check-ins by time")
    validation_share: Share = Field(description="split=time: next part; the rest is the test split")

    @model_validator(mode="after")
    def _leaves_a_test_split(self) -> Self:
        if self.train_share + self.validation_share >= 1:
            raise ValueError(
                f"train_share + validation_share is {self.train_share + self.validation_share:g}: "
                "nothing is left for test; lower one of them"
            )
        if self.split == "last_visit" and self.samples != "gnpr":
            raise ValueError(
                f"split=last_visit leaves one check-in a user for validation, rarely a trajectory's last, which "
                f"samples={self.samples} asks for; give samples=gnpr or split=last_trajectory"
            )
        return self
