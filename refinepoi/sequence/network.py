"""The network: visits and times as vectors, a causal transformer or GRU over them, scores of the whole catalogue.

Pieces are filled from the left and every layer is causal, so what stands behind a piece's end is never read.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from refinepoi.sequence.spec import GruSpec, SasRecSpec
from refinepoi.sequence.visits import DAYS, GAPS, HOURS, NOTHING

TIMES = (HOURS + 1, DAYS + 1, HOURS + 1, DAYS + 1, GAPS)


class Block(nn.Module):
    """A transformer layer, normalised first."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.before, self.between = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.read, self.write = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.think = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Linear(4 * hidden, hidden))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[n, T, D] -> [n, T, D]"""
        n, steps, hidden = x.shape
        read = self.read(self.before(x)).view(n, steps, 3, self.heads, hidden // self.heads)
        query, key, value = read.permute(2, 0, 3, 1, 4)
        rate = self.rate if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=rate, is_causal=True)
        x = x + self.dropout(self.write(mixed.transpose(1, 2).reshape(n, steps, hidden)))
        return x + self.dropout(self.think(self.between(x)))


class SequenceNetwork(nn.Module):
    def __init__(self, spec: SasRecSpec | GruSpec, pois: int) -> None:
        super().__init__()
        hidden, self.times = spec.hidden, spec.times
        self.poi = nn.Embedding(pois + 1, hidden)  # the last one: no visit
        self.time = nn.ModuleList(nn.Embedding(size, hidden) for size in TIMES)
        self.bias = nn.Parameter(torch.zeros(pois))
        self.norm, self.dropout = nn.LayerNorm(hidden), nn.Dropout(spec.dropout)
        self.position: nn.Embedding | None = None
        self.core: nn.Module
        if isinstance(spec, SasRecSpec):
            self.position = nn.Embedding(spec.length, hidden)
            self.core = nn.Sequential(*(Block(hidden, spec.heads, spec.dropout) for _ in range(spec.layers)))
        else:
            between = spec.dropout if spec.layers > 1 else 0.0
            self.core = nn.GRU(hidden, hidden, spec.layers, batch_first=True, dropout=between)
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=hidden**-0.5 / 2)

    def forward(self, poi: Tensor, times: Tensor) -> Tensor:
        """Hidden states [n, T, D] of POIs int64 [n, T] and times int64 [n, T, 5]."""
        x = self.poi(torch.where(poi == NOTHING, self.poi.num_embeddings - 1, poi))
        if self.times:
            for number, table in enumerate(self.time):
                x = x + table(times[..., number])
        if self.position is not None:
            x = x + self.position.weight[: x.shape[1]]
        x = self.core(self.dropout(x))
        return self.norm(x[0] if isinstance(x, tuple) else x)

    def scores(self, hidden: Tensor) -> Tensor:
        """Logits [.., P] of the catalogue from hidden states [.., D]."""
        return functional.linear(hidden, self.poi.weight[:-1], self.bias)
