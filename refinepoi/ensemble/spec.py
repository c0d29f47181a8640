"""What is mixed with the policy's likelihood, and how the weights are fitted. Values in `conf/ensemble`."""

from typing import Annotated, Literal

from pydantic import Field

from refinepoi.core.spec import Count, Positive, Spec


class EnsembleOff(Spec):
    """No mixture: no row in the table."""

    kind: Literal["off"]


class LogLinear(Spec):
    """A conditional logit over the policy's likelihood and counters, fitted on validation."""

    kind: Literal["loglinear"]
    counters: tuple[str, ...] = Field(description="of the evidence that the prompts show, beside the likelihood")
    candidates: Count = Field(description="the first so many of each query are ranked")
    l2: Positive = Field(description="penalty on the weights of the standardised features, in samples")
    folds: int = Field(ge=2, description="validation figures: fitted on the users of the other folds")
    batch: Count = Field(description="prompts at a time; less memory, same scores")
    kept: Count = Field(description="places of each list that are stored")
    seed: int = Field(ge=0)


EnsembleSpec = Annotated[EnsembleOff | LogLinear, Field(discriminator="kind")]
