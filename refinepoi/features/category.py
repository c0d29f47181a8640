"""Category blocks: one column a category, and one column a word of category names (docs/method.md section 2).

`Coffee Shop` and `Gift Shop` are unrelated as categories and related by a word, so both blocks exist. Where there are
more names than columns, names are hashed: each goes to one column, with a sign, by its sha256, so that the column of a
name depends on nothing but the name.
"""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Matrix = npt.NDArray[np.float64]
_WORD = re.compile(r"[^\W_]+")


def category_names(pois: pl.DataFrame) -> list[str]:
    """The category of each POI: its name, or its id where the name is empty, or ""; P texts."""
    return [name.strip() or code.strip() for name, code in pois.select("category", "category_id").iter_rows()]


def words(name: str) -> list[str]:
    """Distinct lower-case words of a category name, in order: `Food & Drink Shop` -> food, drink, shop."""
    return list(dict.fromkeys(_WORD.findall(name.lower())))


def vocabulary(bags: Sequence[Sequence[str]]) -> list[str]:
    """All distinct non-empty words, sorted."""
    return sorted({word for bag in bags for word in bag if word})


def bag_matrix(bags: Sequence[Sequence[str]], known: Sequence[str], columns: int) -> Matrix:
    """Rows of unit length with equal shares of each bag's words: float64 [len(bags), min(len(known), columns)].

    Words outside `known` have no column and an empty bag is a row of zeros; hashed columns serve any word.
    """
    hashed = len(known) > columns
    column = {word: i for i, word in enumerate(known)}
    matrix = np.zeros((len(bags), columns if hashed else len(known)))
    for row, bag in enumerate(bags):
        for word in bag:
            if hashed and word:
                where, sign = _hashed(word, columns)
                matrix[row, where] += sign
            elif word in column:
                matrix[row, column[word]] = 1.0
    length = np.sqrt((matrix**2).sum(1, keepdims=True))
    return matrix / np.where(length > 0, length, 1.0)


def _hashed(word: str, columns: int) -> tuple[int, float]:
    number = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
    return (number >> 1) % columns, 1.0 if number & 1 else -1.0
