"""A causal model over a catalogue of four places, small enough to compute everything about its lists by brute force."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3ForCausalLM

IDS = np.array([[10, 13], [10, 14], [11, 13], [12, 15]])
PROMPT = torch.tensor([[0, 0, 3, 4, 5], [6, 7, 8, 9, 3]])
MASK = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])


def toy_model() -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=16,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            pad_token_id=0,
            tie_word_embeddings=True,
        )
    )
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.normal_(0, 0.5)
    return model


def brute_force(model: nn.Module, row: int, order: Sequence[int], temperature: float) -> Tensor:
    """log p(list | prompt) by its definition: one plain forward for each token."""
    text, total = PROMPT[row][MASK[row].bool()].tolist(), torch.zeros(())
    for n, place in enumerate(order):
        for level in range(2):
            free = [IDS[p] for p in range(len(IDS)) if p not in order[:n]]
            allowed = sorted({int(i[level]) for i in free if (i[:level] == IDS[place, :level]).all()})
            scores = model(torch.tensor([text])).logits[0, -1] / temperature
            total = total + scores[IDS[place, level]] - torch.logsumexp(scores[allowed], 0)
            text.append(int(IDS[place, level]))
    return total


def greedy(model: Qwen3ForCausalLM, row: int, first: int, k: int) -> list[int]:
    """The greedy list of k places that begins with `first`, by its definition."""
    places, text = [first], PROMPT[row][MASK[row].bool()].tolist() + IDS[first].tolist()
    while len(places) < k:
        prefix: list[int] = []
        for level in range(2):
            free = [p for p in range(len(IDS)) if p not in places and IDS[p, :level].tolist() == prefix]
            allowed = sorted({int(IDS[p, level]) for p in free})
            scores = model(torch.tensor([text])).logits[0, -1]
            prefix.append(allowed[int(scores[allowed].argmax())])
            text.append(prefix[-1])
        places += [p for p in range(len(IDS)) if IDS[p].tolist() == prefix]
    return places
