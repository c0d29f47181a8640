"""The terms as TRL reward functions: one named function for each, in the order of `RewardWeights`, and their weights.

TRL calls each with the same batch of completions; the batch is parsed once. TRL logs a term under its name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.reward import terms
from refinepoi.reward.answers import Answers, Ints
from refinepoi.reward.spec import RewardSpec, RewardWeights

RewardFunction = Callable[..., list[float]]


@dataclass
class Rewards:
    """
    k: how many places an answer should name. reasoning_asked: whether prompts ask for a reasoning block.

    Where places share one ID (collision policy `none`) an answer can name the ID only: the target counts as its first.
    """

    spec: RewardSpec
    semantic_ids: SemanticIds
    k: int
    reasoning_asked: bool

    def __post_init__(self) -> None:
        self._nearness = terms.Nearness(self.semantic_ids, self.spec.kernel_width)
        self.first_bearer = np.array([self.semantic_ids.pois_of[text][0] for text in self.semantic_ids.texts])
        self._seen: tuple[Sequence[str], Answers] | None = None

    @property
    def weights(self) -> list[float]:
        return [float(weight) for weight in self.spec.weights.model_dump().values()]

    def functions(self) -> list[RewardFunction]:
        """TRL's reward functions: `f(completions=..., target=..., **ignored) -> list of float`, named as the terms."""
        return [self._function(name) for name in RewardWeights.model_fields]

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
