"""Settings of the embedded city (docs/city.md)."""

from typing import Annotated

from pydantic import Field

from refinepoi.core.spec import Count, NonNegative, Positive, Share, Spec
from refinepoi.dataset.protocol_spec import Day


class CityModel(Spec):
    """The simulated city (docs/city.md). Distances in km, times in hours."""

    users: Count
    pois: int = Field(ge=25, description="places; at least one of each kind")
    days: int = Field(ge=7)
    start: Day = Field(description="first day, local time")
    utc_offset_hours: float = Field(ge=-12, le=14)
    centre: tuple[float, float] = Field(description="latitude, longitude")
    radius_km: Positive = Field(description="distance of the outermost neighbourhood from the centre")
    neighbourhoods: Count
    active_share: Annotated[float, Field(gt=0, lt=1)] = Field(description="share of days with check-ins")
    spell_days: Annotated[float, Field(ge=1)] = Field(description="mean length of a run of active days")
    routines: Count = Field(description="mean number of weekly habits of a person")
    routine_rate: Share = Field(description="mean chance that a habit due on an active day is followed")
    fidelity: Share = Field(description="mean chance that a habit goes to its usual place")
    habit_days: Positive = Field(description="life of a habit that comes and goes; 4 in 10 stay for good")
    punctuality_hours: NonNegative = Field(description="standard deviation of a habit's hour")
    impulses: NonNegative = Field(description="mean number of check-ins a day without a habit")
    follow_ups: Share = Field(description="chance that a check-in is soon followed by one near by")
    follow_up_hours: Positive = Field(description="mean time until then")
    explore: Share = Field(description="rho of exploration and preferential return: P(new) = rho * places ** -gamma")
    explore_decay: NonNegative = Field(description="gamma")
    distance_km: Positive = Field(description="scale of the distance decay")
    popularity: NonNegative = Field(description="standard deviation of the log popularity of places")
