"""The terms as TRL reward functions: one named function for each of weight above 0, and their weights.

TRL calls each with the same batch of completions; the batch is parsed once. TRL logs a term under its name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.reward import terms
from refinepoi.reward.answers import Answers, Ints
from refinepoi.reward.places import Places
from refinepoi.reward.spec import RewardSpec
from refinepoi.reward.user import load_user_reward

RewardFunction = Callable[..., list[float]]


@dataclass
class Rewards:
    """
    k: how many places an answer should name. reasoning_asked: whether prompts ask for a reasoning block.

    Where places share one ID (collision policy `none`) an answer can name the ID only: the target counts as its first.
    """

    spec: RewardSpec
    semantic_ids: SemanticIds
    places: Places
    k: int
    reasoning_asked: bool

    def __post_init__(self) -> None:
        self._nearness = terms.Nearness(self.semantic_ids, self.spec.kernel_width)
        self.first_bearer = np.array([self.semantic_ids.pois_of[text][0] for text in self.semantic_ids.texts])
        self._user = load_user_reward(self.spec.user) if self.spec.user else None
        self._seen: tuple[Sequence[str], Answers] | None = None

    @property
    def names(self) -> list[str]:
        """All terms, also those of weight 0."""
        return [*type(self.spec.weights).model_fields, *(["user"] if self.spec.user else [])]

    @property
    def weights(self) -> list[float]:
        """In the order of `functions`."""
        return list(self.spec.active.values())

    def functions(self) -> list[RewardFunction]:
        """TRL's reward functions: `f(completions=..., target=..., **ignored) -> list of float`, named as the terms."""
        return [self._function(name) for name in self.spec.active]

    def total(self, answers: Answers, target: Ints) -> terms.Values:
        """The weighted sum of all terms, float64 [n]."""
        parts = [weight * self.term(name, answers, target) for name, weight in self.spec.active.items()]
        return np.sum(parts, axis=0)

    def term(self, name: str, answers: Answers, target: Ints) -> terms.Values:
        """One term of a parsed batch. target: int64 [n], POI indices. Returns float64 [n] in [0, 1]."""
        target = self.first_bearer[target]
        match name:
            case "format":
                return terms.format(answers, self.reasoning_asked)
            case "rank":
                return terms.rank(answers, target, self.k)
            case "soft" if self.spec.soft == "hit":
                return terms.hit(answers, target, self.k)
            case "soft":
                return terms.soft(answers, target, self.k, self._nearness)
            case "distinct":
                return terms.distinct(answers)
            case "length":
                return terms.length(answers, self.k)
            case "distance":
                return terms.distance(answers, target, self.k, self.places, self.spec.distance_km)
            case "category":
                return terms.category(answers, target, self.k, self.places)
            case "novelty":
                return terms.novelty(answers, self.k, self.places)
            case "penalty":
                return terms.penalty(answers, target, self.k)
            case "user" if self._user is not None:
                return self._user(answers, target, self.places)
        raise KeyError(name)

    def _function(self, name: str) -> RewardFunction:
        def function(completions: Sequence[str], target: Sequence[int], **_: Any) -> list[float]:
            return self.term(name, self._read(completions), np.asarray(target, np.int64)).tolist()

        function.__name__ = name
        return function

    def _read(self, completions: Sequence[str]) -> Answers:
        if self._seen is None or self._seen[0] is not completions:
            self._seen = (completions, Answers.read(completions, self.semantic_ids))
        return self._seen[1]
