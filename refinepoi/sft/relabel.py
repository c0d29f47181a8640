"""Other names for the places: in some examples each level's ID tokens are permuted, alike in prompt and answer.

What a place is called elsewhere says nothing about such an example, which can only be answered by reading its prompt.
So the model learns to copy IDs in context, rather than which token often follows which.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.seeding import generator
from refinepoi.sft.data import Ints


@dataclass(frozen=True, eq=False)
class Relabelling:
    """
    levels: the tokens of each level that places have, as numbers of the tokenizer.
    copied: bool [n], examples whose answer names no place that the prompt does not show; others keep their names.
    share: how many of those are relabelled at a step.
    seed: what is drawn depends on it, the step and the row alone: a batch may be cut, a run killed.
    """

    levels: tuple[Ints, ...]
    copied: Sequence[bool]
    share: float
    seed: int

    @classmethod
    def of(
        cls,
        semantic_ids: SemanticIds,
        numbers: Sequence[int],
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
        share: float,
        seed: int,
    ) -> "Relabelling":
        """numbers: of the ID tokens, as the tokenizer has them."""
        levels = np.asarray(numbers)[semantic_ids.token_index]
        known = set(map(tuple, levels.tolist()))

        def named(text: Sequence[int]) -> set[tuple[int, ...]]:
            return known.intersection(zip(*(text[level:] for level in range(levels.shape[1])), strict=False))

        copied = [named(answer) <= named(prompt) for prompt, answer in zip(prompts, answers, strict=True)]
        return cls(tuple(np.unique(level) for level in levels.T), copied, share, seed)

    def __call__(self, text: Ints, step: int, row: int) -> Ints:
        """The tokens of an example as read at a step."""
        draw = generator(self.seed, "relabel", str(step), str(row))
        if not self.copied[row] or draw.random() >= self.share:
            return text
        names = np.arange(max(int(text.max()), *(int(level[-1]) for level in self.levels)) + 1)
        for level in self.levels:
            names[level] = draw.permutation(level)
        return names[text]
