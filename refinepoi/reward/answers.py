"""A batch of answers as arrays, which is all that the reward terms see."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.prompt.parse import parse_answer

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
BEYOND = -2


@dataclass(frozen=True, eq=False)
class Answers:
    """
    items: int64 [n, m], the listed places in order; -1 where an ID is broken or names no place, `BEYOND` after the end.
    whole: bool [n], whether the text is exactly one list (after a reasoning block at most).
    reasoned: bool [n], whether a reasoning block with something in it came first.
    """

    items: Ints
    whole: Bools
    reasoned: Bools

    @classmethod
    def read(cls, texts: Sequence[str], semantic_ids: SemanticIds) -> "Answers":
        parsed = [parse_answer(text, semantic_ids) for text in texts]
        items = np.full((len(parsed), max([1, *(len(answer.items) for answer in parsed)])), BEYOND, np.int64)
        for row, answer in enumerate(parsed):
            items[row, : len(answer.items)] = answer.items
        whole = np.array([answer.whole for answer in parsed], np.bool_)
        reasoned = np.array([bool(answer.reasoning and answer.reasoning.strip()) for answer in parsed], np.bool_)
        return cls(items, whole, reasoned)

    @cached_property
    def listed(self) -> Ints:
        """[n], how many entries each list has, whatever they are."""
        return (self.items != BEYOND).sum(1)

    def look_up(self, column: npt.NDArray[Any], otherwise: Any) -> npt.NDArray[Any]:
        """[n, m], `column` [P] at each listed place; `otherwise` at invalid IDs and after the end."""
        return np.where(self.items >= 0, column[np.maximum(self.items, 0)], otherwise)

    @cached_property
    def places(self) -> Ints:
        """[n], how many different places of the catalogue each list names."""
        ordered = np.sort(self.items, axis=1)
        fresh = np.diff(ordered, axis=1, prepend=BEYOND) != 0
        return (fresh & (ordered >= 0)).sum(1)

    @cached_property
    def worthless(self) -> Bools:
        """[n], lists that are paid nothing: without any place, or one place named again and again."""
        return (self.places == 0) | ((self.places == 1) & ((self.items >= 0).sum(1) > 1))
