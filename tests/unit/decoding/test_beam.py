"""The most likely places against scoring the whole catalogue."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from refinepoi.decoding.beam import beam_items
from refinepoi.decoding.trie import Trie


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


@pytest.mark.parametrize(("levels", "kind"), [(1, "qwen3"), (2, "llama"), (2, "qwen3"), (3, "qwen3")])
@pytest.mark.parametrize("width", [1, 4, None])
def test_equals_scoring_everything(
    levels: int, kind: str, width: int | None, random_model: Any, left_padded: Any
) -> None:
    draw = np.random.default_rng(levels)
    ids = np.unique(40 + 5 * np.arange(levels) + draw.integers(0, 5, (40, levels)), axis=0)
    draw.shuffle(ids)
    k = min(6, len(ids))
    model, (prompt, mask) = random_model(kind, scale=0.6), left_padded([8, 3])
    pois, scores = beam_items(model, Trie.of(ids), prompt, mask, k, width=width)
    for row in range(2):
        truth = exhaustive(model, prompt[row][mask[row].bool()], ids).topk(k)
        torch.testing.assert_close(scores[row], truth.values.float(), atol=1e-4, rtol=0)
        assert pois[row].tolist() == truth.indices.tolist()


@given(
    st.integers(1, 3).flatmap(
        lambda n: st.lists(st.tuples(*[st.integers(0, 5)] * n), min_size=1, max_size=20, unique=True)
    ),
    st.integers(0, 2**31 - 1),
    st.sampled_from([0.1, 1.0, 20.0]),
)
@settings(max_examples=60, deadline=None)
def test_any_trie_any_scores(stub: Any, rows: list[tuple[int, ...]], seed: int, spread: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    model, trie = stub(torch.randn(6, 6, generator=draw) * spread), Trie.of(np.array(rows))
    prompt = torch.randint(0, 6, (3, 1), generator=draw)
    pois, scores = beam_items(model, trie, prompt, torch.ones_like(prompt), len(rows), width=2)
    assert [sorted(p) for p in pois.tolist()] == [list(range(len(rows)))] * 3  # valid, distinct, whole catalogue
    assert bool((scores.diff(dim=1) <= 0).all())
    torch.testing.assert_close(scores.exp().sum(1), torch.ones(3), atol=1e-5, rtol=0)
