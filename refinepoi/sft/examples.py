"""Training examples: token ids of a prompt and of the answer whose tokens are supervised.

Prompts are padded on the left, answers on the right of them, so the head is computed for answer columns only
(`logits_to_keep`); with a tiny model over a few hundred tokens that is a third of the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from refinepoi.decoding.padding import left_padded


@dataclass(frozen=True, eq=False)
class Examples(Dataset[int]):
    """
    prompts: token ids of each prompt.
    answers: int64 [n, T], token ids of each answer; -1 behind the end of a shorter one.
    weights: float32 [n, T] of each answer token; rows sum to 1, 0 where it is not supervised.
    """

    prompts: Sequence[list[int]]
    answers: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.prompts)

    def __getitem__(self, row: int) -> int:
        return row

    def collate(self, rows: list[int], pad: int) -> dict[str, Tensor]:
        """input_ids, attention_mask [B, P + T], answers [B, T], weights [B, T]."""
        prompts, mask = left_padded([self.prompts[row] for row in rows], pad, "cpu")
        answers = torch.from_numpy(self.answers[rows])
        return {
            "input_ids": torch.cat([prompts, answers.clamp(min=0)], 1),
            "attention_mask": torch.cat([mask, (answers >= 0).long()], 1),
            "answers": answers,
            "weights": torch.from_numpy(self.weights[rows]),
        }


def answer_examples(
    tokenizer: Any, prompts: Sequence[str], lists: np.ndarray, id_tokens: np.ndarray, first_weight: float
) -> Examples:
    """Answers are lists of places. lists: int64 [n, k] POI indices, -1 behind the end; id_tokens: [P, L] token ids."""
    n, k = lists.shape
    levels = id_tokens.shape[1]
    tokens = np.where(lists[:, :, None] >= 0, id_tokens[lists], -1).reshape(n, k * levels)
    weights = np.ones((n, k, levels), np.float32)
    weights[:, 0] = first_weight
    weights = weights.reshape(n, -1) * (tokens >= 0)
    weights /= weights.sum(1, keepdims=True)
    return Examples(list(tokenizer(list(prompts))["input_ids"]), tokens, weights)


def stream_examples(tokenizer: Any, texts: Sequence[str], id_tokens: np.ndarray) -> Examples:
    """Streams: the whole text is the answer to its first token; semantic-ID tokens are supervised, every visit."""
    encoded = [row for row in tokenizer(list(texts))["input_ids"] if len(row) > 1]
    width = max(len(row) for row in encoded) - 1
    tokens = np.full((len(encoded), width), -1, np.int64)
    for number, row in enumerate(encoded):
        tokens[number, : len(row) - 1] = row[1:]
    weights = np.isin(tokens, id_tokens).astype(np.float32)
    weights /= max(float(weights.sum(1).mean()), 1.0)  # streams count by their visits; a mean stream weighs 1
    return Examples([row[:1] for row in encoded], tokens, weights)
