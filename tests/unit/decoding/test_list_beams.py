"""Beams of lists against all lists, and against the greedy one."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from refinepoi.decoding.constraint import allowed_sets, renormalised
from refinepoi.decoding.list_beams import beam_lists
from refinepoi.decoding.lists import decode_lists
from refinepoi.decoding.trie import Trie

TOY = np.array([[41, 51], [41, 52], [42, 51], [43, 51], [43, 54]])


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_wide_enough_beams_find_the_best_of_all_lists(
    kind: str, random_model: Any, left_padded: Any, list_probability: Any
) -> None:
    model, (prompt, mask) = random_model(kind, scale=0.7), left_padded([6, 3])
    found = beam_lists(model, Trie.of(TOY), prompt, mask, 2, width=20)
    greedy = decode_lists(model, Trie.of(TOY), prompt, mask, 2)
    for row in range(2):
        text = prompt[row][mask[row].bool()]
        every = {o: list_probability(model, text, TOY, o) for o in itertools.permutations(range(len(TOY)), 2)}
        best = max(every, key=lambda order: every[order])
        assert tuple(found.pois[row].tolist()) == best
        assert float(found.logprobs[row].sum().exp()) == pytest.approx(every[best], rel=1e-4)
    assert bool((found.logprobs.sum(1) >= greedy.logprobs.sum(1) - 1e-5).all())


def test_one_beam_is_the_greedy_list_and_more_are_never_worse(random_model: Any, left_padded: Any) -> None:
    model, (prompt, mask) = random_model(scale=0.6), left_padded([9, 4, 1, 7])
    draw = np.random.default_rng(0)
    ids = np.unique(40 + 5 * np.arange(3) + draw.integers(0, 5, (30, 3)), axis=0)
    greedy = decode_lists(model, Trie.of(ids), prompt, mask, 4)
    one, five = (beam_lists(model, Trie.of(ids), prompt, mask, 4, width=w) for w in (1, 5))
    assert torch.equal(one.tokens, greedy.tokens) and torch.equal(one.pois, greedy.pois)
    torch.testing.assert_close(one.logprobs, greedy.logprobs, atol=1e-5, rtol=0)
    gain = five.logprobs.sum(1) - greedy.logprobs.sum(1)
    assert float(gain.max()) > 0.01  # greedy is not the best for some
    assert [len(set(row)) for row in five.pois.tolist()] == [4] * 4
    assert torch.equal(torch.from_numpy(ids)[five.pois].flatten(1), five.tokens)
    with torch.no_grad():  # each list's probabilities are those of its own past, whichever beams it came through
        ones = torch.ones_like(five.tokens)
        logits = model(torch.cat([prompt, five.tokens], 1), attention_mask=torch.cat([mask, ones], 1)).logits
    scores = logits[:, prompt.shape[1] - 1 : -1, Trie.of(ids).vocabulary]
    logp, _ = renormalised(scores, allowed_sets(Trie.of(ids), five.tokens))
    torch.testing.assert_close(five.logprobs, logp, atol=2e-5, rtol=0)


def test_more_beams_than_lists(stub: Any) -> None:
    ids = np.array([[1, 4], [2, 4], [2, 5]])
    prompt = torch.zeros((2, 1), dtype=torch.long)
    model = stub(torch.randn(6, 6, generator=torch.Generator().manual_seed(0)))
    for k in (1, 2, 3):
        lists = beam_lists(model, Trie.of(ids), prompt, torch.ones_like(prompt), k, width=50)
        assert all(len(set(row)) == k for row in lists.pois.tolist())
        assert bool(torch.isfinite(lists.logprobs).all())
