"""What a prompt shows. One class for each template; `memory` and `budget` mean the same in all of them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from refinepoi.core.spec import Count, NonNegative, Spec

Counters = Annotated[tuple[str, ...], Field(description="names of Evidence counters shown beside each candidate")]
Bins = Annotated[int, Field(ge=2, le=256, description="words a counter may become; bin 0 is zero or absent")]
Order = Annotated[
    Literal["ranked", "shuffled"],
    Field(description="ranked: candidates in the order of the evidence; shuffled: in an order drawn from `seed`"),
]

Budget = Annotated[
    int, Field(ge=1, description="most tokens of a prompt as the model's tokenizer counts them, answer not counted")
]


class Shares(Spec):
    """How a mixed memory is divided; only the proportions count, 0 leaves a policy out."""

    recent: NonNegative
    same_hour: NonNegative
    same_last: NonNegative
    category: NonNegative

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any(self.model_dump().values()):
            raise ValueError("shares: all are 0; give at least one policy a share")
        return self


class Memory(Spec):
    """Which of the visible visits a prompt shows. Shown visits are always written in the order they happened."""

    policy: Literal["recent", "same_hour", "same_last", "category", "mixed"] = Field(
        description="recent: the last ones; same_hour: nearest in hour of day, same weekday preferred; same_last: what "
        "followed earlier visits to the last place, with those visits; category: visits of the last place's category; "
        "mixed: some of each by `shares`. All are filled up with the most recent ones"
    )
    visits: int = Field(ge=0, description="most visits a prompt shows; `question` shows the current trip beside them")
    shares: Shares


class CompactPrompt(Spec):
    """Time words and an ID for each visit. Training texts are whole user streams, cut to `budget` tokens."""

    kind: Literal["compact"]
    list_length: Count = Field(description="k: places an answer names")
    budget: Budget
    memory: Memory


class EvidencePrompt(Spec):
    """The target's time, some visits, then candidates, each with its counters as words."""

    kind: Literal["evidence"]
    list_length: Count = Field(description="k: places an answer names")
    budget: Budget
    memory: Memory
    candidates: Count
    counters: Counters = Field(min_length=1)
    bins: Bins
    order: Order
    seed: int = Field(ge=0)


class QuestionPrompt(Spec):
    """A question in plain language, for pretrained models."""

    kind: Literal["question"]
    list_length: Count = Field(description="k: places an answer names")
    budget: Budget
    memory: Memory
    candidates: int = Field(ge=0, description="0: no list of candidates")
    counters: Counters
    bins: Bins
    order: Order
    categories: bool = Field(description="name the category of each visit and candidate")
    distances: bool = Field(description="tell how far each visit and candidate is from the place the user is at")
    chat: Literal["auto", "off"] = Field(
        description="auto: in the model's own chat template, where it has one, task and profile as its system message; "
        "off: as plain text"
    )
    reasoning: bool = Field(description="ask for a <think>...</think> block before the list")
    seed: int = Field(ge=0)


PromptSpec = Annotated[CompactPrompt | EvidencePrompt | QuestionPrompt, Field(discriminator="kind")]
