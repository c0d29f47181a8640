"""Settings of supervised fine-tuning."""

from typing import Annotated, Literal

from pydantic import Field

from refinepoi.core.spec import Count, NonNegative, Positive, Share, Spec


class Phase(Spec):
    """One pass of training with its own learning rate."""

    epochs: int = Field(ge=0, description="0 leaves the phase out")
    learning_rate: Positive


class ListPhase(Phase):
    """Self-distillation: answers are the model's own beams."""

    queries: int = Field(ge=0, description="train prompts that are answered by beams; 0: all")
    target_first: bool = Field(description="put the place that was visited in front of the model's own list")


class SftOff(Spec):
    """No supervised training: GRPO starts from the model as it is."""

    kind: Literal["off"]


class SftTrain(Spec):
    kind: Literal["train"]
    seed: int = Field(ge=0)
    streams: Phase = Field(description="compact prompts only: every visit of whole user streams")
    targets: Phase
    lists: ListPhase
    answer_items: Count = Field(
        description="items of an answer supervised in `targets`, the truth first"
    )
    first_item_weight: Positive = Field(description="weight of the first item against each of the others")
    batch: Count = Field(description="sequences in one optimizer step")
    schedule: Literal["constant", "linear", "cosine"]
    warmup: Share = Field(description="share of a phase's steps over which the learning rate rises")
    weight_decay: NonNegative
    beta2: float = Field(gt=0, lt=1)
    max_grad_norm: Positive
    precision: Literal["float32", "bfloat16"] = Field(description="bfloat16 pays on GPUs only")
    eval_every: Count = Field(description="steps between validations")
    eval_queries: Count = Field(description="validation queries, drawn once, each answered greedily")
    patience: int = Field(ge=0, description="validations without a better MRR that end a phase; 0 never")
    save_every: Count = Field(description="steps between checkpoints that a killed run continues from")


SftSpec = Annotated[SftTrain | SftOff, Field(discriminator="kind")]
