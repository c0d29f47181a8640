"""Settings of supervised fine-tuning: three phases, each of which may be left out with `epochs: 0`."""

from typing import Annotated, Literal

from pydantic import Field

from refinepoi.core.spec import Count, NonNegative, Positive, Share, Spec

Epochs = Annotated[int, Field(ge=0, description="0: this phase is left out")]


class SftOff(Spec):
    """No supervised fine-tuning: the warm start is the model as built."""

    kind: Literal["off"]


class Phase(Spec):
    """What all phases have."""

    epochs: Epochs
    batch_size: Count = Field(description="examples in one optimizer step")
    learning_rate: Positive
    schedule: Literal["constant", "linear", "cosine"]
    warmup: Share = Field(description="share of the steps over which the learning rate rises")


class AlignmentPhase(Phase):
    """What IDs mean, in words, before anything else. Runs where the prompts have such tasks (`prompt=question`)."""

    tasks: tuple[Literal["place", "find", "near"], ...] = Field(
        min_length=1, description="place: ID to category and area; find: back; near: ID to those of the nearest places"
    )


class StreamPhase(Phase):
    """Whole user streams, every visit supervised. Runs where the prompts have streams (`prompt=compact`)."""

    supervise: Literal["ids", "all"] = Field(description="ids: semantic IDs only; all: time words, too")


class AnswerPhase(Phase):
    """One answer a query: the target, then other candidates, or these in order. Runs where prompts have no streams."""

    min_steps: int = Field(ge=0, description="epochs are added until there are so many: few queries, still learned")
    first_item_weight: Positive = Field(description="of the first place's tokens; those of the others have 1")
    absent_target: Literal["keep", "skip"] = Field(
        description="queries whose prompt does not show the target: learn to answer them, or leave them out"
    )
    imitate: Share = Field(
        description="of these examples, each time one is read: the answer is the order of the evidence, not the "
        "target first; distils whatever ranks the candidates"
    )
    relabel: Share | None = Field(
        description="of the examples, each time one is read: IDs permuted, so that only copying helps; None: half of "
        "them for a model that starts able to copy, none for others"
    )


class ListPhase(Phase):
    """Lists after the policy's own: its likeliest other places, with the target among them."""

    first_share: Share = Field(description="of answers with the target first; the others have it at a random place")


class TrainSft(Spec):
    kind: Literal["train"]
    seed: int = Field(ge=0)

    alignment: AlignmentPhase
    streams: StreamPhase
    answers: AnswerPhase
    lists: ListPhase

    weight_decay: NonNegative
    beta2: float = Field(gt=0, lt=1, description="decay of AdamW's second moment")
    max_grad_norm: Positive
    precision: Literal["float32", "bfloat16"] = Field(description="bfloat16 pays on GPUs only")

    log_every: Count = Field(description="steps between points of the loss curve")
    eval_every: Count = Field(description="steps between validations; there is one before the first step, too")
    eval_queries: Count = Field(description="validation queries, drawn once, each answered by a greedy list")
    patience: int = Field(ge=0, description="validations without improvement that end a phase; 0: never")
    save_every: Count = Field(description="steps between checkpoints that a killed run continues from")


SftSpec = Annotated[TrainSft | SftOff, Field(discriminator="kind")]
