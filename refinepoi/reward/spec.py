"""Settings of the reward: the weight of each term and the shapes of some."""

from typing import Literal, Self

from pydantic import Field, model_validator

from refinepoi.core.spec import NonNegative, Positive, Spec
from refinepoi.reward.user_spec import UserReward


class RewardWeights(Spec):
    """A term of weight 0 is not computed. Where advantages are normalised, only ratios of weights matter."""

    format: NonNegative
    rank: NonNegative
    soft: NonNegative
    distinct: NonNegative
    length: NonNegative
    distance: NonNegative = Field(description="beyond the paper, as all below")
    category: NonNegative
    novelty: NonNegative
    penalty: NonNegative


class RewardSpec(Spec):
    weights: RewardWeights
    soft: Literal["topology", "hit"] = Field(description="nearness on the SOM grids, or 1 where the target is listed")
    kernel_width: Positive = Field(description="cells at which nearness on a grid has fallen to exp(-1/2)")
    distance_km: Positive = Field(description="kilometres from the target at which `distance` has fallen to 1/e")
    user: UserReward | None = Field(description="a term of your own: {file: ..., function: ..., weight: ...}")

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if not self.active:
            raise ValueError("all weights are 0: at least one must be positive, or nothing can be learned")
        return self

    @property
    def active(self) -> dict[str, float]:
        """Weights above 0 by term; the user's own is called `user`."""
        own = {"user": self.user.weight} if self.user else {}
        return {name: float(weight) for name, weight in (self.weights.model_dump() | own).items() if weight}

    def problems(self) -> list[str]:
        return self.user.problems() if self.user else []

    def in_unit_weights(self) -> Self:
        """The same reward with weights that sum to 1."""
        total = sum(self.active.values())

        def share(weight: float) -> float:
            return round(weight / total, 12)

        weights = self.weights.model_copy(update={k: share(w) for k, w in self.weights.model_dump().items()})
        own = self.user and self.user.model_copy(update={"weight": share(self.user.weight)})
        return self.model_copy(update={"weights": weights, "user": own})
