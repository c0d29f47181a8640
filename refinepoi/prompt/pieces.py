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
    def table(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """object [n]: the texts, and the texts with a blank behind."""
        return np.array(self._texts, dtype=object), np.array([f"{text} " for text in self._texts], dtype=object)

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
        """Pieces joined by blanks; a newline at the end or the start of a piece stands for the blank."""
        return self.lay_out(numbers)[0]

    def lay_out(self, numbers: IntArray) -> tuple[str, IntArray]:
        """The text, and the character at which each piece begins; [n + 1], the last one is the text's length."""
        plain, spaced = self.table
        blank = self._follows_blank[numbers]
        blank[:-1] &= self._takes_blank[numbers[1:]]
        blank[-1:] = False
        parts = np.where(blank, spaced[numbers], plain[numbers]).tolist()
        ends = np.cumsum(self._lengths[numbers] + blank)
        return "".join(parts), np.concatenate([[0], ends])

    @cached_property
    def _lengths(self) -> IntArray:
        return np.array([len(text) for text in self._texts], np.int64)

    @cached_property
    def _follows_blank(self) -> npt.NDArray[np.bool_]:
        return np.array([not text.endswith("\n") for text in self._texts], bool)

    @cached_property
    def _takes_blank(self) -> npt.NDArray[np.bool_]:
        return np.array([not text.startswith("\n") for text in self._texts], bool)
