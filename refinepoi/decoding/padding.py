"""Prompts of different length as one batch: padding in front, so that answers begin in one column; who sees whom."""

import torch
from torch import Tensor


def left_padded(encoded: list[list[int]], pad: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """input_ids and attention_mask, int64 [B, P] with P the longest, padding in front."""
    width = max(len(ids) for ids in encoded)
    input_ids = torch.tensor([[pad] * (width - len(ids)) + list(ids) for ids in encoded])
    attention_mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in encoded])
    return input_ids.to(device), attention_mask.to(device)


def positions_of(attention_mask: Tensor) -> Tensor:
    """Positions [B, P] that count from the first real token, as Hugging Face's own generation does."""
    return (attention_mask.long().cumsum(-1) - 1).clamp_(min=0)


def additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """From bool [B, W, S], a mask [B, 1, W, S] to add to scores: 0 where visible, the lowest number elsewhere."""
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill_(~visible, torch.finfo(dtype).min)[:, None]
