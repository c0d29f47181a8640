"""Fields of the encoder stage."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from refinepoi.core.pinned import Pinned
from refinepoi.core.spec import Count, NonNegative, Positive, Spec

VERSION = 2
"""Of the stage train_encoder."""


class PositivesSpec(Spec):
    """What counts as alike, and how much each kind weighs in the loss; 0 leaves it out."""

    covisit: NonNegative = Field(description="POIs visited one after the other in a training trajectory")
    views: NonNegative = Field(description="two feature-dropout views of one POI")
    category: NonNegative = Field(description="POIs of one category")
    hours: Positive = Field(description="longest gap between two visits that count as one after the other")

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.covisit + self.views + self.category <= 0:
            raise ValueError("every kind of positive has weight 0: give encoder.positives.covisit a value above 0")
        return self


class DropoutSpec(Spec):
    columns: Annotated[float, Field(ge=0, lt=1)] = Field(description="chance of each feature column to be hidden")
    blocks: Annotated[float, Field(ge=0, lt=1)] = Field(description="chance of each feature block to be hidden")


class ContrastiveSpec(Spec):
    kind: Literal["contrastive"]
    seed: Annotated[int, Field(ge=0)]
    hidden: Annotated[tuple[Count, ...], Field(max_length=8)]
    dimensions: Annotated[int, Field(ge=2, le=4096)]
    temperature: Positive
    positives: PositivesSpec
    dropout: DropoutSpec
    count_power: Annotated[float, Field(ge=0, le=1)] = Field(
        description="a pair seen n times is drawn in proportion to n to this power; 0: all pairs alike"
    )
    held_out: Annotated[float, Field(gt=0, le=0.5)] = Field(description="share of pairs that measure and stop training")
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Positive
    weight_decay: NonNegative
    epochs: Count
    patience: Count = Field(description="epochs without a lower validation loss until training stops")


class FittedEncoder(Pinned):
    """The network of an earlier run, not trained again: POIs that came later get vectors beside those of then."""

    key: ClassVar[str] = "encoder.network"
    stage: ClassVar[str] = "train_encoder"
    version: ClassVar[int] = VERSION

    kind: Literal["fitted"]
    network: Annotated[str, Field(min_length=1, description="folder of a stored artifact of the stage train_encoder")]


EncoderSpec = Annotated[ContrastiveSpec | FittedEncoder, Field(discriminator="kind")]
