"""Fields of the features stage. A block of weight 0 is left out."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from refinepoi.core.pinned import Pinned
from refinepoi.core.spec import Count, NonNegative, Positive, Spec

VERSION = 2
"""Of the stage make_features."""


class CategorySpec(Spec):
    weight: NonNegative
    columns: Annotated[int, Field(ge=2, le=65_536)] = Field(description="more categories than this are hashed into it")


class WordsSpec(Spec):
    weight: NonNegative
    columns: Annotated[int, Field(ge=2, le=65_536)] = Field(description="as above, for the words of category names")


class LocationSpec(Spec):
    weight: NonNegative
    scales_km: Annotated[tuple[Positive, ...], Field(max_length=16)] = Field(
        description="wave lengths of the Fourier columns; none: the unit-sphere vector alone"
    )


class TimeSpec(Spec):
    weight: NonNegative
    harmonics: Annotated[int, Field(ge=1, le=12)]
    prior_visits: NonNegative = Field(description="visits' worth of the category's profile mixed into each POI's own")


class PopularitySpec(Spec):
    weight: NonNegative


class TransitionsSpec(Spec):
    weight: NonNegative
    dimensions: Count
    hours: Positive = Field(description="longest gap between two visits that count as one transition")


class BlocksSpec(Spec):
    """Columns and scales are fitted on this catalogue and its training check-ins."""

    kind: Literal["blocks"]
    category: CategorySpec
    words: WordsSpec
    location: LocationSpec
    time: TimeSpec
    popularity: PopularitySpec
    transitions: TransitionsSpec

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        blocks = (self.category, self.words, self.location, self.time, self.popularity, self.transitions)
        if not any(block.weight > 0 for block in blocks):
            raise ValueError("every block has weight 0: give at least one, such as features.category.weight, a value")
        return self


class FittedFeatures(Pinned):
    """The columns and scales of an earlier run: POIs that came later are described as those of then were."""

    key: ClassVar[str] = "features.map"
    stage: ClassVar[str] = "make_features"
    version: ClassVar[int] = VERSION

    kind: Literal["fitted"]
    map: Annotated[str, Field(min_length=1, description="folder of a stored artifact of the stage make_features")]


FeaturesSpec = Annotated[BlocksSpec | FittedFeatures, Field(discriminator="kind")]
