"""Allowed sets of given lists: right where the list is right, refused from the first wrong token on."""

import numpy as np
import torch

from refinepoi.decoding.constraint import allowed_sets, renormalised
from refinepoi.decoding.trie import Trie

IDS = np.array([[1, 5], [1, 6], [2, 5], [3, 7]])
TRIE = Trie.of(IDS)


def open_tokens(tokens: list[int]) -> list[set[int]]:
    allowed = allowed_sets(TRIE, torch.tensor([tokens]))
    return [
        {int(TRIE.vocabulary[s]) for s in slots[is_open]}
        for slots, is_open in zip(allowed.slot[0], allowed.is_open[0], strict=True)
    ]


def test_used_places_and_used_up_prefixes_close() -> None:
    assert open_tokens([1, 5, 2, 5, 1, 6, 3, 7]) == [
        {1, 2, 3}, {5, 6},  # everything is open
        {1, 2, 3}, {5},
        {1, 3}, {6},  # prefix 2 is used up, of prefix 1 only 6 is left
        {3}, {7},
    ]  # fmt: skip


def test_wrong_tokens_are_not_valid_from_there_on() -> None:
    for tokens, valid in (
        ([1, 5, 2, 5], [1, 1, 1, 1]),
        ([1, 5, 1, 5], [1, 1, 1, 0]),  # repeated
        ([1, 7, 2, 5], [1, 0, 0, 0]),  # not in the catalogue
        ([9, 5, 2, 5], [0, 0, 0, 0]),  # no such token
        ([3, 7, 3, 7], [1, 1, 0, 0]),  # a used-up prefix
    ):
        assert allowed_sets(TRIE, torch.tensor([tokens])).valid.int().tolist() == [valid]


def test_renormalised_by_hand() -> None:
    allowed = allowed_sets(TRIE, torch.tensor([[1, 5, 1, 6]]))
    scores = torch.log(torch.tensor([[1.0, 2, 1, 4, 4, 8]])).expand(1, 4, 6)  # vocabulary 1 2 3 5 6 7
    logp, entropy = renormalised(scores, allowed)
    torch.testing.assert_close(logp.exp(), torch.tensor([[1 / 4, 4 / 8, 1 / 4, 1.0]]))
    quarter = -(0.25 * np.log(0.25) * 2 + 0.5 * np.log(0.5))
    torch.testing.assert_close(entropy, torch.tensor([[quarter, np.log(2), quarter, 0.0]], dtype=torch.float32))
    halved, _ = renormalised(scores, allowed, temperature=0.5)  # squares the weights
    torch.testing.assert_close(halved.exp()[0, 0], torch.tensor(1 / 6))
    bad, _ = renormalised(scores, allowed_sets(TRIE, torch.tensor([[9, 5]])))
    assert bad.tolist() == [[0, 0]]


def test_gradient_stays_within_the_allowed_set_and_is_finite() -> None:
    scores = torch.zeros(1, 4, 6, requires_grad=True)
    logp, entropy = renormalised(scores, allowed_sets(TRIE, torch.tensor([[2, 5, 1, 6]])))
    (logp.sum() + entropy.sum()).backward()
    touched = scores.grad.ne(0)  # type: ignore[union-attr]
    assert touched[0, 0].tolist() == [True, True, True, False, False, False]
    assert touched[0, 2].tolist() == [True, False, True, False, False, False]  # prefix 2 is used up
    assert touched[0, 1].any().item() is False  # only one token may follow prefix 2
    assert bool(torch.isfinite(scores.grad).all())  # type: ignore[arg-type]
