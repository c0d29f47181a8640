"""Answers: written as a list of semantic IDs, read back by the one parser of all templates.

`write_answer` puts IDs together with nothing between them; `parse_answer` is its inverse and tolerates blanks between
tokens and a `<think>...</think>` block before the list. Any text can be parsed; nothing ever raises.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from refinepoi.artifacts.semantic_ids import SemanticIds

OPEN, CLOSE = "<think>", "</think>"
_TOKEN = re.compile(r"<([A-Z])_([0-9]+),([0-9]+)>")


@dataclass(frozen=True)
class Answer:
    """
    items: POI index of each listed ID, in order; -1 for an ID outside the catalogue and for a broken one.
        Where several POIs share an ID (collision policy `none`) the first of them stands for all.
    texts: the IDs as written; a broken one as the tokens that were there.
    whole: the text is exactly one list (after an optional reasoning block): no other words, no broken ID, not empty.
    reasoning: what stood in the block; None without one. An open block that never closes is all reasoning, no list.
    """

    items: tuple[int, ...]
    texts: tuple[str, ...]
    whole: bool
    reasoning: str | None = None

    @property
    def valid(self) -> tuple[int, ...]:
        """The items that are in the catalogue."""
        return tuple(item for item in self.items if item >= 0)


def write_answer(pois: Iterable[int], semantic_ids: SemanticIds, reasoning: str | None = None) -> str:
    """The list of `pois` as text. reasoning: what to put in a block before it (must not hold the closing mark)."""
    listed = "".join(semantic_ids.texts[poi] for poi in pois)
    return listed if reasoning is None else f"{OPEN}{reasoning}{CLOSE}{listed}"


def parse_answer(text: str, semantic_ids: SemanticIds) -> Answer:
    """Read a list. Time grows linearly with the text."""
    reasoning, listed, orderly = _split_reasoning(text)
    if listed is None:
        return Answer((), (), False, reasoning)
    texts, clean = _collect(listed, semantic_ids.levels)
    known = semantic_ids.pois_of
    items = tuple(known[one][0] if one in known else -1 for one in texts)
    return Answer(items, texts, orderly and clean and bool(texts), reasoning)


def _split_reasoning(text: str) -> tuple[str | None, str | None, bool]:
    """(reasoning, what follows it, whether there is at most one block and nothing before it).

    A closing mark alone counts too: some chat templates write the opening mark into the prompt.
    """
    head, mark, rest = text.rpartition(CLOSE)
    if not mark:
        if OPEN in text:
            return text.partition(OPEN)[2], None, False
        return None, text, True
    before, opened, inside = head.partition(OPEN)
    if not opened:
        return head, rest, CLOSE not in head
    return inside, rest, not before.strip() and OPEN not in inside and CLOSE not in inside and OPEN not in rest


def _collect(text: str, levels: int) -> tuple[tuple[str, ...], bool]:
    """IDs found in a text, and whether it holds nothing but whole IDs and blanks.

    An ID is `levels` tokens of levels A, B, ... with only blanks between them; what is cut short is listed as it is.
    """
    texts: list[str] = []
    current: list[str] = []
    clean, end = True, 0
    for match in _TOKEN.finditer(text):
        level, strange = ord(match[1]) - ord("A"), bool(text[end : match.start()].strip())
        end = match.end()
        if current and (strange or level != len(current)):
            texts.append("".join(current))
            current, clean = [], False
        clean = clean and not strange
        if level != len(current):  # the start of this ID is missing
            texts.append(match[0])
            clean = False
            continue
        current.append(match[0])
        if len(current) == levels:
            texts.append("".join(current))
            current = []
    if current:
        texts.append("".join(current))
    return tuple(texts), clean and not current and not text[end:].strip()
