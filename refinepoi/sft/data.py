"""Training examples as token arrays: what is read, what is answered, and how much each answered token counts.

Queries, packed streams and lists of the policy's own all become `Examples`, so there is one loss (`loss.py`). A batch
is padded on the left: answers end in the same column and only their positions go through the model's head.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from refinepoi.core.seeding import generator

Ints = npt.NDArray[np.int64]
Change = Callable[[Ints, int, int], Ints]
"""(tokens of an example, optimizer step, row) -> the tokens as read at that step; as many."""
GROUPED = 32  # batches whose examples are sorted by length together: less padding, and still a random order


@dataclass(frozen=True, eq=False)
class Examples:
    """
    prompts: token ids that are only read; at least one each.
    answers: token ids that are predicted; at least one each.
    weights: how much each answered token counts; 0 for those that are only read.
    changes: what is done to the tokens of an example each time it is read, one after the other.
    """

    prompts: Sequence[Sequence[int]]
    answers: Sequence[Sequence[int]]
    weights: Sequence[Sequence[float]]
    changes: Sequence[Change] = ()

    def __len__(self) -> int:
        return len(self.prompts)

    def lengths(self) -> Ints:
        """Tokens of each example, int64 [n]."""
        return np.array([len(p) + len(a) for p, a in zip(self.prompts, self.answers, strict=True)], np.int64)


def plan_batches(lengths: Ints, size: int, epochs: int, seed: int, purpose: str) -> list[Ints]:
    """The rows of each optimizer step: every epoch in an order of its own, neighbours in length together.

    lengths: [n], n >= 1. A rest smaller than a batch is left out of its epoch (another one each time).
    """
    size = min(size, len(lengths))
    plan: list[Ints] = []
    for epoch in range(epochs):
        draw = generator(seed, purpose, str(epoch))
        order = draw.permutation(len(lengths))[: len(lengths) // size * size]
        batches: list[Ints] = []
        for start in range(0, len(order), size * GROUPED):
            part = order[start : start + size * GROUPED]
            part = part[np.argsort(lengths[part], kind="stable")]
            batches.extend(part.reshape(-1, size))
        plan.extend(batches[i] for i in draw.permutation(len(batches)))
    return plan


class Collator:
    """One part of a batch as tensors. The parts of a batch share one norm, so cutting it changes rounding only."""

    def __init__(self, examples: Examples, pad: int) -> None:
        both = zip(examples.prompts, examples.answers, strict=True)
        self.texts = [np.array([*prompt, *answer], np.int64) for prompt, answer in both]
        self.weights = [np.array(weights, np.float32) for weights in examples.weights]
        self.totals = np.array([sum(weights) for weights in examples.weights])
        self.pad, self.changes = pad, examples.changes

    def norm(self, rows: Ints) -> float:
        """The summed weights of a batch."""
        return float(self.totals[rows].sum())

    def __call__(self, rows: Ints, norm: float, step: int = 0) -> dict[str, Any]:
        """step: the optimizer step, from 0.

        input_ids, attention_mask, position_ids: int64 [B, T], all but the last answer token.
        logits_to_keep: A, the longest answer.
        answers int64 [B, A] and weights float32 [B, A]: what the last A positions predict, padded in front.
        norm: float32 [].
        """
        texts, weights = [self.texts[row] for row in rows], [self.weights[row] for row in rows]
        for change in self.changes:
            texts = [change(text, step, int(row)) for text, row in zip(texts, rows, strict=True)]
        longest, width = max(map(len, weights)), max(map(len, texts)) - 1
        first = torch.tensor([width - len(text) + 1 for text in texts])  # of each row, after its padding
        mask = (torch.arange(width) >= first[:, None]).long()
        return {
            "input_ids": _left([text[:-1] for text in texts], width, self.pad),
            "attention_mask": mask,
            "position_ids": (mask.cumsum(-1) - 1).clamp_(min=0),
            "logits_to_keep": longest,
            "answers": _left([t[-len(w) :] for t, w in zip(texts, weights, strict=True)], longest, self.pad),
            "weights": _left(weights, longest, 0.0),
            "norm": torch.tensor(norm),
        }


def _left(rows: Sequence[npt.NDArray[Any]], width: int, fill: float) -> Tensor:
    """[B, width] of the rows' type, padded in front."""
    padded = np.full((len(rows), width), fill, rows[0].dtype)
    for line, row in zip(padded, rows, strict=True):
        line[width - len(row) :] = row
    return torch.from_numpy(padded)
