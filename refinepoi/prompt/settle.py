"""Prompts as one model reads them: in its chat template, and within the budget of its own tokenizer.

A prompt is written before any tokenizer is known, within `prompt.budget` words; a pretrained tokenizer makes more
tokens of them, and a chat template adds its own. `settle` is called where a model has been loaded. Afterwards the plain
`tokenizer(text)` gives the tokens of every prompt, for trainers, samplers and decoders alike.

Too long a prompt loses its least relevant visits first, then its last candidates, then the profile, one at a time until
it fits: never the task, the target's time or the question. How much was lost stands in `facts["settled"]` and the log.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from jinja2 import TemplateError

from refinepoi.artifacts.prompts import Prompts, no_layout
from refinepoi.artifacts.trajectories import SPLITS
from refinepoi.core.errors import UserError
from refinepoi.prompt.pieces import IntArray

log = logging.getLogger("refinepoi")


@dataclass(frozen=True)
class Cut:
    """A prompt as written, and what may be cut out of it (`artifacts.prompts.LAYOUT`)."""

    text: str
    system: int
    droppable: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str, system: int, flat: Sequence[int]) -> "Cut":
        """flat: first and end of each piece, one after the other."""
        return cls(text, system, tuple(zip(flat[::2], flat[1::2], strict=True)))

    def without(self, count: int) -> tuple[str, str]:
        """System message and the rest, without the first `count` droppable pieces."""
        gone = sorted(self.droppable[:count])
        begins = [0, *(end for _, end in gone)]
        ends = [*(begin for begin, _ in gone), len(self.text)]
        kept = "".join(self.text[begin:end] for begin, end in zip(begins, ends, strict=True))
        system = self.system - sum(end - begin for begin, end in gone if end <= self.system)
        return kept[:system], kept[system:].rstrip(" ")


def settle(prompts: Prompts, tokenizer: Any) -> Prompts:
    """The prompts whose texts `tokenizer` turns into what its model should read. A second time changes nothing.

    UserError where even a prompt without anything droppable is longer than the budget.
    """
    if "settled" in prompts.facts:
        return prompts
    rows = prompts.table.join(prompts.layout, on="query", how="left", maintain_order="left")
    columns = (rows[name].to_list() for name in ("prompt", "system", "droppable"))
    cuts = [Cut.of(text, system or 0, flat or ()) for text, system, flat in zip(*columns, strict=True)]
    texts, dropped, lengths = fit(cuts, prompts.facts, tokenizer)
    report = _report(rows, dropped, lengths)
    if shortened := int((dropped > 0).sum()):
        lost = {what: sum(row[f"dropped_{what}"] for row in report.values()) for what in WHAT}
        log.info(
            "%d of %d prompts were longer than prompt.budget=%d tokens of the model's tokenizer; left out: %s",
            shortened, len(cuts), prompts.facts["budget"],
            ", ".join(f"{count} {what}" for what, count in lost.items() if count),
        )  # fmt: skip
    chat = Chat.of(tokenizer, prompts.facts)
    asked = [chat.render("", text) for text in prompts.alignment["prompt"]]
    return replace(
        prompts,
        table=prompts.table.with_columns(pl.Series("prompt", texts, pl.String)),
        layout=no_layout(),
        alignment=prompts.alignment.with_columns(pl.Series("prompt", asked, pl.String)),
        facts=prompts.facts | {"settled": {"chat": chat.used, "splits": report}},
    )


def fit(cuts: list[Cut], facts: dict[str, Any], tokenizer: Any) -> tuple[list[str], IntArray, IntArray]:
    """Final texts, how many pieces each lost, and their tokens. facts: of the prompts (budget, chat, reasoning)."""
    chat, budget = Chat.of(tokenizer, facts), int(facts.get("budget", 0))
    texts = [chat.render(*cut.without(0)) for cut in cuts]
    lengths = count_tokens(tokenizer, texts)
    dropped = np.zeros(len(cuts), np.int64)
    over = np.flatnonzero(lengths > budget) if budget else np.empty(0, np.int64)
    if len(over):
        dropped[over] = _shorten([cuts[row] for row in over], lengths[over] - budget, chat, tokenizer, budget)
        for row in over:
            texts[row] = chat.render(*cuts[row].without(int(dropped[row])))
        lengths[over] = count_tokens(tokenizer, [texts[row] for row in over])
    return texts, dropped, lengths


def count_tokens(tokenizer: Any, texts: Sequence[str]) -> IntArray:
    """Tokens of each text, with whatever the tokenizer puts before it. int64 [n]."""
    encoded = tokenizer(list(texts))["input_ids"] if len(texts) else []
    return np.array([len(tokens) for tokens in encoded], np.int64)


@dataclass(frozen=True)
class Chat:
    """How a system message and a question become one text. reasoning: whether the model may think first."""

    tokenizer: Any
    used: bool
    reasoning: bool

    @classmethod
    def of(cls, tokenizer: Any, facts: dict[str, Any]) -> "Chat":
        used = facts.get("chat") == "auto" and bool(getattr(tokenizer, "chat_template", None))
        return cls(tokenizer, used, bool(facts.get("reasoning")))

    def render(self, system: str, question: str) -> str:
        if not self.used:
            return system + question
        try:
            text = self._apply([{"role": "system", "content": system.strip()}] if system else [], question)
        except TemplateError:  # a template that knows no system message
            text = self._apply([], system + question)
        bos = self.tokenizer.bos_token
        doubled = bos and text.startswith(bos) and self.tokenizer("")["input_ids"] == [self.tokenizer.bos_token_id]
        return text[len(bos) :] if doubled else text

    def _apply(self, before: list[dict[str, str]], question: str) -> str:
        text = self.tokenizer.apply_chat_template(
            [*before, {"role": "user", "content": question}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=self.reasoning,  # Qwen3's switch; templates that have none do not read it
        )
        return str(text)


WHAT = ("visits", "candidates", "profiles")


def _shorten(cuts: list[Cut], excess: IntArray, chat: Chat, tokenizer: Any, budget: int) -> IntArray:
    """The fewest pieces each must lose, [n]. excess: tokens above the budget."""

    def fits(rows: Sequence[int] | IntArray, counts: IntArray) -> Any:
        texts = [chat.render(*cuts[row].without(int(counts[row]))) for row in rows]
        return count_tokens(tokenizer, texts) <= budget

    most = np.array([len(cut.droppable) for cut in cuts], np.int64)
    bare = fits(range(len(cuts)), most)
    if not bare.all():
        texts = [chat.render(*cuts[row].without(int(most[row]))) for row in np.flatnonzero(~bare)]
        longest = int(count_tokens(tokenizer, texts).max())
        raise UserError(
            f"prompt.budget: {budget} tokens, but an empty prompt has up to {longest} of the model's tokenizer: "
            f"give prompt.budget={longest} or more"
        )
    # a first guess from the pieces' own lengths, then one piece more or less until it is the least that fits
    counts = np.array([_guess(cut, int(more), tokenizer) for cut, more in zip(cuts, excess, strict=True)], np.int64)
    open_ = np.arange(len(cuts))
    while len(open_):
        good = fits(open_, counts)
        grow = open_[~good]
        counts[grow] += 1
        shrink = open_[good]
        less = counts.copy()
        less[shrink] -= 1
        better = shrink[fits(shrink, less)] if len(shrink) else shrink
        counts[better] -= 1
        open_ = np.concatenate([grow, better])
    return counts


def _guess(cut: Cut, excess: int, tokenizer: Any) -> int:
    """How many pieces are about `excess` tokens; at least one, at most all."""
    lengths = count_tokens(tokenizer, [cut.text[begin:end] for begin, end in cut.droppable])
    return min(int(np.searchsorted(np.cumsum(lengths), excess)) + 1, len(lengths))


def _report(rows: pl.DataFrame, dropped: IntArray, lengths: IntArray) -> dict[str, dict[str, float]]:
    """By split: tokens, and what the budget took away beyond what it did when the prompts were written."""
    visits, candidates = (rows[name].fill_null(0).to_numpy().astype(np.int64) for name in ("visits", "candidates"))
    gone = {
        "visits": np.minimum(dropped, visits),
        "candidates": np.clip(dropped - visits, 0, candidates),
        "profiles": np.maximum(dropped - visits - candidates, 0),
    }
    report = {}
    for number, split in enumerate(SPLITS):
        mine = rows["split"].to_numpy() == number
        if mine.any():
            report[split] = {
                "tokens_mean": round(float(lengths[mine].mean()), 2),
                "tokens_max": int(lengths[mine].max()),
                "prompts_shortened": int((dropped[mine] > 0).sum()),
                **{f"dropped_{what}": int(counts[mine].sum()) for what, counts in gone.items()},
            }
    return report
