"""Settings of the reward: the weight of each term and the shape of the soft one."""

from typing import Literal, Self

from pydantic import Field, model_validator

from refinepoi.core.spec import NonNegative, Positive, Spec


class RewardWeights(Spec):
    """TRL normalises advantages within a group: a common factor of all weights changes nothing, only ratios do."""

    format: NonNegative
    rank: NonNegative
    soft: NonNegative
    distinct: NonNegative
    length: NonNegative

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if not any(self.model_dump().values()):
            raise ValueError("all weights are 0: at least one must be positive, or nothing can be learned")
        return self


class RewardSpec(Spec):
    weights: RewardWeights
    soft: Literal["topology", "hit"] = Field(description="nearness on the SOM grids, or 1 where the target is listed")
    kernel_width: Positive = Field(description="cells at which nearness on a grid has fallen to exp(-1/2)")
