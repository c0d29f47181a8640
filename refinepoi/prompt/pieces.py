"""Pieces: every string a template can write, numbered, with its length in tokens.

A prompt is put together as an array of piece numbers and becomes text by one join, which keeps writing 100,000 prompts
of 250 words a matter of seconds. A token is a blank-separated word or one semantic-ID token: exactly what a tokenizer
built from `Prompts.words` counts. A pretrained tokenizer needs more tokens for a word.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

ID_TOKEN = re.compile(r"<[A-Z]_[0-9]+,[0-9]+>")


def token_count(text: str) -> int:
    """Words and ID tokens of a text; ID tokens separate words."""
    return len(ID_TOKEN.findall(text)) + len(words_of(text))


def words_of(text: str) -> list[str]:
    """The blank-separated words of a text, without ID tokens."""
    return ID_TOKEN.sub(" ", text).split()


class Pieces:
    """Grows while templates are built (`add`, `block`); read-only from the first use of `table` or `costs` on."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, text: str) -> int:
        """The number of one more piece."""
        return self.block([text])

    def block(self, texts: Sequence[str]) -> int:
        """Add pieces with consecutive numbers; returns the first."""
        self._texts.extend(texts)
        return len(self._texts) - len(texts)

    @cached_property
    def table(self) -> npt.NDArray[Any]:
        """object [n]: the texts."""
        return np.array(self._texts, dtype=object)

    @cached_property
    def costs(self) -> IntArray:
        """int64 [n]: tokens of each piece."""
        return np.array([token_count(text) for text in self._texts], np.int64)

    def words(self) -> set[str]:
        """Every word any piece can bring into a text."""
        return {word for text in self._texts for word in words_of(text)}

    def cost(self, numbers: IntArray) -> int:
        return int(self.costs[numbers].sum())

    def text(self, numbers: IntArray) -> str:
        """Pieces joined by blanks; a newline piece ends its line."""
        return " ".join(self.table[numbers].tolist()).replace(" \n", "\n").replace("\n ", "\n")
