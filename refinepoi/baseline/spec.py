"""BaselineSpec: the rankers of the table and what the fitted ones read."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from refinepoi.core.spec import Count, Positive, Spec
from refinepoi.ranker.spec import BoostingSpec

COUNTING = ("popularity", "user_frequency", "user_markov", "hour_frequency")

TREES, TREES_REFIT = "trees", "trees_refit"
RANKER = "ranker"
"""The order that prompts show, where a ranker made one (`pipeline.Pipeline.ranked`)."""


class LogitSpec(Spec):
    """A conditional logit over the candidates of a query: value and logarithm of each counter."""

    counters: tuple[str, ...] = Field(description="names of the evidence; none: all of them")
    needs_time: bool = Field(description="left out where the evidence hides the target's time")
    train_samples: int = Field(ge=0, description="fitted on the validation samples and on so many newest of training")
    l2: Positive = Field(description="penalty on the weights of the standardised features, in samples")


class NoTrees(Spec):
    kind: Literal["off"]


class Trees(BoostingSpec):
    """LightGBM's lambdarank, fitted on training queries."""

    kind: Literal["lightgbm"]
    refit: bool = Field(description="one more row, `trees_refit`: test by a fit on training and validation")


class BaselineSpec(Spec):
    counting: tuple[Literal["popularity", "user_frequency", "user_markov", "hour_frequency"], ...]
    hour_counter: str = Field(description="the evidence's counter that hour_frequency ranks by")
    logits: dict[str, LogitSpec]
    trees: Annotated[NoTrees | Trees, Field(discriminator="kind")]
    folds: int = Field(ge=2, description="validation figures of the logits: fitted on the users of the other folds")
    kept: Count = Field(description="places of each list that are stored")
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        twice = sorted(set(self.logits) & {*COUNTING, TREES, TREES_REFIT, RANKER})
        if twice:
            raise ValueError(f"logits: {', '.join(twice)} is the name of another ranker; rename it")
        return self
