"""The loss: weighted cross-entropy over answered tokens."""

from typing import Any

import torch
from torch import Tensor


def answer_loss(model: Any, part: dict[str, Any]) -> Tensor:
    """The part's share of its batch's mean loss, float32 []. part: as made by `data.Collator`."""
    logits = model(
        input_ids=part["input_ids"],
        attention_mask=part["attention_mask"],
        position_ids=part["position_ids"],
        logits_to_keep=part["logits_to_keep"],
        use_cache=False,
    ).logits
    losses = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), part["answers"].flatten(), reduction="none"
    ).view_as(part["weights"])
    return (losses * part["weights"]).sum() / part["norm"]
