"""Small models for the decoding tests: real Hugging Face ones with random weights, and a stub with given scores."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "pad_token_id": 0,
    "tie_word_embeddings": True,
}


def random_model(kind: str = "qwen3", seed: int = 0, scale: float = 0.4) -> nn.Module:
    """Weights large enough that the next token depends on the whole past."""
    torch.manual_seed(seed)
    model: nn.Module
    model = Qwen3ForCausalLM(Qwen3Config(**SIZES)) if kind == "qwen3" else LlamaForCausalLM(LlamaConfig(**SIZES))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                weight.normal_(0.0, scale if "embed" not in name else 1.0)
    return model.eval()


class Stub(nn.Module):
    """Next-token scores are a table [tokens, tokens] looked up by the last token; no attention, no cache."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = table
        self.head = nn.Linear(len(table), len(table), bias=False)
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(len(table)))
        text = SimpleNamespace(num_hidden_layers=0, model_type="stub")
        self.config = SimpleNamespace(get_text_config=lambda: text)

    @property
    def base_model(self) -> Any:
        def backbone(input_ids: Tensor, **_: Any) -> SimpleNamespace:
            return SimpleNamespace(last_hidden_state=self.table[input_ids])

        backbone.config = self.config  # type: ignore[attr-defined]
        return backbone

    def get_output_embeddings(self) -> nn.Module:
        return self.head


def left_padded(lengths: list[int], seed: int = 0, low: int = 1, high: int = 40) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    width = max(lengths)
    mask = torch.arange(width) >= width - torch.tensor(lengths)[:, None]
    return torch.randint(low, high, (len(lengths), width), generator=draw) * mask, mask.long()


def exhaustive(model: nn.Module, prompt: Tensor, ids: np.ndarray) -> Tensor:
    """Log-likelihood of each place [P]: one plain forward each, renormalised over the tokens that may follow."""
    scores = []
    for row in ids.tolist():
        with torch.no_grad():
            logits = model(torch.cat([prompt, torch.tensor(row)])[None]).logits[0].double()
        total = 0.0
        for level, token in enumerate(row):
            allowed = sorted({r[level] for r in ids.tolist() if r[:level] == row[:level]})
            at = logits[len(prompt) - 1 + level]
            total += float(at[token] - torch.logsumexp(at[allowed], 0))
        scores.append(total)
    return torch.tensor(scores)


def list_probability(model: nn.Module, prompt: Tensor, ids: np.ndarray, order: tuple[int, ...]) -> float:
    """The definition: walk the tokens, at each renormalise the model's scores over the tokens that may follow."""
    text, logp, used = prompt.tolist(), 0.0, []
    for place in order:
        for level in range(ids.shape[1]):
            with torch.no_grad():
                scores = model(torch.tensor([text])).logits[0, -1].double()
            free = [row for n, row in enumerate(ids.tolist()) if n not in used]
            allowed = sorted({row[level] for row in free if row[:level] == ids[place, :level].tolist()})
            token = int(ids[place, level])
            logp += float(scores[token] - torch.logsumexp(scores[allowed], 0))
            text.append(token)
        used.append(place)
    return math.exp(logp)


@pytest.fixture(scope="session", name="random_model")
def _random_model() -> Callable[..., nn.Module]:
    return random_model


@pytest.fixture(scope="session", name="stub")
def _stub() -> Callable[[Tensor], nn.Module]:
    return Stub


@pytest.fixture(scope="session", name="left_padded")
def _left_padded() -> Callable[..., tuple[Tensor, Tensor]]:
    return left_padded


@pytest.fixture(scope="session", name="exhaustive")
def _exhaustive() -> Callable[[nn.Module, Tensor, np.ndarray], Tensor]:
    return exhaustive


@pytest.fixture(scope="session", name="list_probability")
def _list_probability() -> Callable[..., float]:
    return list_probability
