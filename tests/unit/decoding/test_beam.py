"""The most likely places against scoring the whole catalogue."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refinepoi.core.errors import UserError
from refinepoi.decoding.beam import beam_items
from refinepoi.decoding.trie import Trie


@pytest.mark.parametrize(("levels", "kind"), [(1, "qwen3"), (2, "llama"), (2, "qwen3"), (3, "qwen3")])
@pytest.mark.parametrize("width", [1, 4, None])
def test_equals_scoring_everything(
    levels: int, kind: str, width: int | None, random_model: Any, left_padded: Any, exhaustive: Any
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


def test_plain_beams_look_under_the_best_prefixes_only(stub: Any) -> None:
    ids = np.array([[1, 4], [1, 5], [2, 4], [2, 5], [3, 4]])
    table = torch.zeros(6, 6)
    table[0, 1:4] = torch.tensor([0.40, 0.35, 0.25]).log()  # place 4 alone is under 3: likelihood .25, the best of all
    args = stub(table), Trie.of(ids), torch.zeros((1, 1), dtype=torch.long), torch.ones((1, 1), dtype=torch.long)
    assert beam_items(*args, 1)[0].tolist() == [[4]]
    pois, scores = beam_items(*args, 2, exact=False)
    assert sorted(pois[0].tolist()) == [0, 1]
    torch.testing.assert_close(scores.exp(), torch.tensor([[0.2, 0.2]]))
    assert beam_items(*args, 2, width=3, exact=False)[0][0, 0] == 4  # wide enough to see everything
    with pytest.raises(UserError, match="at least 2"):
        beam_items(*args, 2, width=1, exact=False)
