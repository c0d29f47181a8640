"""RankerSpec: what puts the candidates of a query in order before a prompt shows them."""

from typing import Annotated, Literal

from pydantic import Field

from refinepoi.core.spec import Count, NonNegative, Positive, Spec

Samples = Annotated[int, Field(ge=1, description="fitted on so many newest queries of those that may teach")]
Folds = Annotated[int, Field(ge=2, description="training queries are scored by a fit on the users of the other folds")]
Refit = Annotated[
    bool,
    Field(
        description="test queries, and people who ask later, are ranked by a fit on training and validation queries; "
        "validation itself by the fit on training alone, as without"
    ),
]
Temperature = Annotated[float, Field(gt=0, description="score / temperature is the logarithm of a probability")]
Prior = Annotated[float, Field(gt=0, description="odds of a place never visited are multiplied by this")]
Kept = Annotated[int, Field(ge=1, description="candidates of a query that are kept, best first")]


class BoostingSpec(Spec):
    """Gradient-boosted trees (LightGBM) over counters and facts of the query."""

    rounds: Count
    leaves: int = Field(ge=2)
    learning_rate: Positive
    feature_fraction: float = Field(gt=0, le=1, description="columns each tree may split on")
    min_leaf: Count = Field(description="candidates in a leaf")
    l2: NonNegative
    bagging: float = Field(gt=0, le=1, description="share of the queries each tree sees")
    truncation: Count = Field(description="pairs count whose better place is among so many first")
    candidates: Count = Field(description="of each training query so many, in the order of the evidence")
    parts: bool = Field(description="each counter also as its part of the sum over the query's candidates")
    samples: Samples
    ends: bool = Field(description="also fitted on the last query of each older trajectory: what is asked in the end")
    bags: Count = Field(description="fits with seeds of their own, whose scores are averaged")
    seed: int = Field(ge=0)


class NoKernels(Spec):
    """Trees over the evidence's counters alone."""

    kind: Literal["off"]


class DeepSetsKernels(Spec):
    """A network that learns the kernels which the evidence has by hand; its probability is one more counter."""

    kind: Literal["deep_sets"]
    visits: Count = Field(description="newest visible visits of each query that are read")
    width: Count = Field(description="of the hidden layers")
    kernels: Count = Field(description="weights of each pair of query and visit")
    category_width: Count = Field(description="of what is learned of each category")
    networks: Count = Field(description="fitted side by side from other beginnings, their probabilities averaged")
    samples: Samples
    epochs: Count
    batch_size: Count = Field(description="queries")
    learning_rate: Positive
    weight_decay: NonNegative
    seed: int = Field(ge=0)


class NoRanker(Spec):
    """The order of the evidence stays."""

    kind: Literal["off"]


class TreesRanker(BoostingSpec):
    kind: Literal["trees"]
    kernels: Annotated[NoKernels | DeepSetsKernels, Field(discriminator="kind")]
    folds: Folds
    refit: Refit
    temperature: Temperature
    kept: Kept
    discovery_prior: Prior


class LogitRanker(Spec):
    """A conditional logit: two weights for each counter. Its scores are log-probabilities as they are."""

    kind: Literal["logit"]
    counters: tuple[str, ...] = Field(description="names of the evidence; none: all of them")
    samples: Samples
    l2: Positive
    folds: Folds
    refit: Refit
    temperature: Temperature
    kept: Kept
    discovery_prior: Prior
    seed: int = Field(ge=0)


RankerSpec = Annotated[NoRanker | TreesRanker | LogitRanker, Field(discriminator="kind")]
SCORES: tuple[str, ...] = ("ranker_score", "ranker_lead")
"""Counters a ranker adds: probability within the query's candidates, and that over the best candidate's."""
KERNELS: tuple[str, ...] = ("kernel_score", "kernel_lead")
"""Counters that learned kernels add: probability within the places visited, and that over the best place's."""


def added_counters(spec: NoRanker | TreesRanker | LogitRanker) -> tuple[str, ...]:
    """What stands behind the evidence's own counters once it is ranked."""
    if spec.kind == "off":
        return ()
    return (*KERNELS, *SCORES) if spec.kind == "trees" and spec.kernels.kind != "off" else SCORES
