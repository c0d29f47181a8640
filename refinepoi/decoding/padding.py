"""Prompts of different length as one batch: padding in front, so that answers begin in one column."""

import torch
from torch import Tensor


def left_padded(encoded: list[list[int]], pad: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """input_ids and attention_mask, int64 [B, P] with P the longest, padding in front."""
    width = max(len(ids) for ids in encoded)
    input_ids = torch.tensor([[pad] * (width - len(ids)) + list(ids) for ids in encoded])
    attention_mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in encoded])
    return input_ids.to(device), attention_mask.to(device)
