"""How lists are decoded, and how they are scored. Two specs, so that a change of scoring never decodes again."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from refinepoi.core.spec import Count, Positive, Spec


def _check_rising(values: tuple[float, ...]) -> tuple[float, ...]:
    if list(values) != sorted(set(values)):
        raise ValueError("must be rising, without repeats")
    return values


class ReasoningSpec(Spec):
    """The model's own text before its list, where prompts ask for it (`prompt.reasoning`)."""

    tokens: Count = Field(description="most of a block; one that is still open then is closed and counted")
    temperature: Positive | None = Field(description="null: the likeliest token each time; a number samples")
    seed: int = Field(ge=0)


class DecodingSpec(Spec):
    """Over the catalogue alone: a list holds k existing, distinct POIs."""

    mode: Literal["list", "list_beam", "beam"] = Field(
        description="list: one answer of k IDs, as trained, greedily; list_beam: the likeliest such answer of `beams`; "
        "beam: k likeliest IDs"
    )
    k: Count = Field(description="places of a list")
    batch: Count = Field(description="prompts decoded together")
    beams: Count = Field(description="list_beam only: unfinished lists that go on side by side")
    reasoning: ReasoningSpec


class StrataSpec(Spec):
    """Where a stratum ends and the next begins."""

    groups: int = Field(ge=2, le=10, description="equal parts of activity and of trajectory length; 3: thirds")
    few: Count = Field(description="users with fewer training trajectories are cold")
    distances: Annotated[tuple[Positive, ...], AfterValidator(_check_rising)] = Field(
        description="kilometres from the last place to the target"
    )
    hours: Annotated[tuple[Annotated[int, Field(ge=0, le=23)], ...], AfterValidator(_check_rising)] = Field(
        min_length=1, description="local hours at which a part of the day begins"
    )


class ScoringSpec(Spec):
    ks: Annotated[tuple[Count, ...], AfterValidator(_check_rising)] = Field(
        min_length=1, description="Acc@k; the last one also cuts MRR@k and NDCG@k"
    )
    resamples: int = Field(ge=100, description="bootstrap resamples")
    confidence: float = Field(gt=0, lt=1, description=".95: intervals from the 2.5 % to the 97.5 % quantile")
    unit: Literal["sample", "user"] = Field(description="what the bootstrap draws; user: all samples of one together")
    seed: int = Field(ge=0)
    against: tuple[str, ...] = Field(
        description="methods the policy, and the ranker if named, is compared with by sample"
    )
    strata: StrataSpec


class EvaluationSpec(Spec):
    decoding: DecodingSpec
    scoring: ScoringSpec
