"""Likelihoods of given places against one plain forward for each, and against the search for the best."""

from typing import Any

import numpy as np
import pytest
import torch

from refinepoi.decoding.beam import beam_items
from refinepoi.decoding.score import score_items
from refinepoi.decoding.trie import Trie


def random_ids(levels: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    ids = np.unique(40 + 5 * np.arange(levels) + draw.integers(0, 5, (40, levels)), axis=0)
    draw.shuffle(ids)
    return ids


@pytest.mark.parametrize(("levels", "kind"), [(1, "qwen3"), (2, "llama"), (3, "qwen3"), (3, "llama")])
def test_equals_a_forward_for_each_place(
    levels: int, kind: str, random_model: Any, left_padded: Any, exhaustive: Any
) -> None:
    model, ids = random_model(kind, scale=0.6), random_ids(levels, 1)
    prompt, mask = left_padded([8, 3, 5])
    draw = np.random.default_rng(0)
    pois = torch.from_numpy(np.stack([draw.permutation(len(ids))[:5] for _ in range(3)]))
    pois[1, 1:4] = pois[1, 0]  # fewer prefixes than its neighbours, and one place several times
    pois[2, 2] = -1
    found = score_items(model, Trie.of(ids), prompt, mask, pois)
    for row in range(3):
        truth = exhaustive(model, prompt[row][mask[row].bool()], ids)[pois[row].clamp(min=0)].float()
        truth[pois[row] < 0] = -torch.inf
        torch.testing.assert_close(found[row], truth, atol=1e-4, rtol=0)


def test_whole_catalogue_sums_to_one_and_ranks_as_the_search(random_model: Any, left_padded: Any) -> None:
    model, trie = random_model(scale=0.6), Trie.of(random_ids(3, 2))
    prompt, mask = left_padded([8, 3])
    scores = score_items(model, trie, prompt, mask, torch.arange(trie.places).expand(2, -1))
    torch.testing.assert_close(scores.exp().sum(1), torch.ones(2))
    pois, best = beam_items(model, trie, prompt, mask, trie.places)
    torch.testing.assert_close(scores.gather(1, pois), best, atol=1e-4, rtol=0)


def test_places_that_share_an_id_score_alike(random_model: Any, left_padded: Any) -> None:
    prompt, mask = left_padded([4])
    trie = Trie.of(np.array([[41, 51], [42, 52], [41, 51]]))
    scores = score_items(random_model(), trie, prompt, mask, torch.tensor([[0, 1, 2]]))
    assert scores[0, 0] == scores[0, 2] != scores[0, 1]


def test_broken_scores_are_refused(stub: Any) -> None:
    trie, one = Trie.of(np.array([[1, 2], [1, 3]])), torch.ones((1, 1), dtype=torch.long)
    with pytest.raises(FloatingPointError, match="not finite"):
        score_items(stub(torch.full((6, 6), torch.nan)), trie, one, one, torch.tensor([[0, 1]]))
