"""The likeliest lists as a group: against every list of a toy catalogue."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from toy_policy import IDS, MASK, PROMPT, brute_force, greedy, toy_model
from transformers import MambaConfig, MambaForCausalLM, MistralConfig, MistralForCausalLM

from refinepoi.core.errors import UserError
from refinepoi.decoding.lists import Lists
from refinepoi.decoding.trie import Trie
from refinepoi.grpo.beams import beam_group, require_beams


def beams(group: int, items: int, k: int = 2, temperature: float = 0.8) -> Lists:
    return beam_group(
        toy_model(), Trie.of(IDS), PROMPT, MASK, k, group=group, items=items, temperature=temperature
    )  # fmt: skip


def all_lists(row: int, k: int = 2) -> dict[tuple[int, ...], float]:
    """Log-likelihood of every list, by its definition."""
    orders = itertools.permutations(range(len(IDS)), k)
    with torch.no_grad():
        return {order: float(brute_force(toy_model(), row, order, 0.8)) for order in orders}


def test_whole_lists_in_order_of_their_likelihood() -> None:
    found = beams(group=12, items=2)
    for row in range(2):
        truth = all_lists(row)
        lists = [tuple(pois) for pois in found.pois[row * 12 : (row + 1) * 12].tolist()]
        assert lists == sorted(truth, key=lambda order: -truth[order])
        likelihood = found.logprobs[row * 12 : (row + 1) * 12].sum(1)
        np.testing.assert_allclose(likelihood, [truth[order] for order in lists], atol=1e-4)


@pytest.mark.parametrize("group", [2, 3, 4])
def test_distinct_first_items_then_greedy(group: int) -> None:
    found = beams(group=group, items=1, k=3)
    for row in range(2):
        first = {p: sum(np.exp(v) for order, v in all_lists(row).items() if order[0] == p) for p in range(4)}
        lists = [tuple(pois) for pois in found.pois[row * group : (row + 1) * group].tolist()]
        if group == 4:  # fewer beams may miss a place whose first token is unlikely
            assert [pois[0] for pois in lists] == sorted(first, key=lambda place: -first[place])
        assert len({pois[0] for pois in lists}) == group
        for pois, logprobs in zip(lists, found.logprobs[row * group : (row + 1) * group], strict=True):
            assert len(set(pois)) == 3
            with torch.no_grad():
                assert float(brute_force(toy_model(), row, pois, 0.8)) == pytest.approx(float(logprobs.sum()), abs=1e-4)
                assert greedy(toy_model(), row, pois[0], 3) == list(pois)


def test_more_beams_than_beginnings_are_refused() -> None:
    trie = Trie.of(IDS)
    require_beams(trie, 3, 4, 1)
    require_beams(trie, 3, 12, 2)
    with pytest.raises(UserError, match=r"num_generations=5, but lists can begin in 4 ways with grpo.beam_items=1"):
        require_beams(trie, 3, 5, 1)
    with pytest.raises(UserError, match="24 ways"):  # a list has no more than three places
        require_beams(trie, 3, 25, 9)


def sliding_window() -> nn.Module:
    config = MistralConfig(
        vocab_size=16, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, sliding_window=3, pad_token_id=0,
    )  # fmt: skip
    return MistralForCausalLM(config)


def state_space() -> nn.Module:
    return MambaForCausalLM(
        MambaConfig(vocab_size=16, hidden_size=16, state_size=4, num_hidden_layers=2, pad_token_id=0)
    )


@pytest.mark.parametrize("make", [sliding_window, state_space])
def test_models_without_branches_are_searched_by_their_own_policy(make: Callable[[], nn.Module]) -> None:
    """Likelihoods by definition: a mask of ours would widen the window, and a state-space model has no cache for it."""
    torch.manual_seed(0)
    model = make().eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.normal_(0.0, 0.5)
    found = beam_group(model, Trie.of(IDS), PROMPT, MASK, 3, group=3, items=1, temperature=0.8)
    for n, (pois, logprobs) in enumerate(zip(found.pois.tolist(), found.logprobs, strict=True)):
        with torch.no_grad():
            assert float(brute_force(model, n // 3, pois, 0.8)) == pytest.approx(float(logprobs.sum()), abs=1e-4)
