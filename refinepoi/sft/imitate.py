"""Distillation: in some examples the answer is the list of whatever ranked the candidates, not the target and the rest.

An order says at once what many targets say by chance: so a model learns to rank from fewer examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refinepoi.core.seeding import generator
from refinepoi.sft.data import Ints


@dataclass(frozen=True, eq=False)
class Imitation:
    """
    ranked: the other answer of each example, as many tokens as its answer.
    share: how many are given it at a step.
    seed: what is drawn depends on it, the step and the row alone: a batch may be cut, a run killed.
    """

    ranked: Sequence[Sequence[int]]
    share: float
    seed: int

    def __call__(self, text: Ints, step: int, row: int) -> Ints:
        """The tokens of an example as read at a step."""
        if generator(self.seed, "imitate", str(step), str(row)).random() >= self.share:
            return text
        answer = np.array(self.ranked[row], np.int64)
        return np.concatenate([text[: len(text) - len(answer)], answer])
