"""SequenceSpec: the sequence model of the table, and how it is trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from refinepoi.core.spec import Count, NonNegative, Positive, Spec


class NoSequence(Spec):
    """No sequence model in the table."""

    kind: Literal["off"]


class TrainedSequence(Spec):
    length: int = Field(ge=2, description="latest visits that are read")
    hidden: Count
    layers: Count
    dropout: float = Field(ge=0, lt=1)
    times: bool = Field(description="hour, weekday and gap as inputs; of the target, too, where the evidence shows it")
    epochs: Count = Field(description="at most")
    patience: Count = Field(description="epochs without a better validation MRR before training stops")
    batch_size: Count = Field(description="pieces of `length` visits")
    learning_rate: Positive
    weight_decay: NonNegative
    kept: Count = Field(description="places of each list that are stored")
    seed: int = Field(ge=0)


class SasRecSpec(TrainedSequence):
    kind: Literal["sasrec"]
    heads: Count

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} must be a multiple of heads ({self.heads})")
        return self


class GruSpec(TrainedSequence):
    kind: Literal["gru"]


SequenceSpec = Annotated[NoSequence | SasRecSpec | GruSpec, Field(discriminator="kind")]
