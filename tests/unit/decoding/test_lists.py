"""Constrained lists: always valid and distinct, whatever the scores; probabilities equal brute force."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refinepoi.core.errors import UserError
from refinepoi.decoding.constraint import allowed_sets, renormalised
from refinepoi.decoding.lists import decode_lists
from refinepoi.decoding.recomputed import branches_of
from refinepoi.decoding.trie import Trie

TOY = np.array([[41, 51], [41, 52], [41, 53], [42, 51], [43, 51], [43, 54]])


@given(
    st.integers(1, 3).flatmap(
        lambda n: st.lists(st.tuples(*[st.integers(0, 5)] * n), min_size=1, max_size=12, unique=True)
    ),
    st.integers(0, 2**31 - 1),
    st.sampled_from([None, 1.0, 0.2, 3.0]),
    st.sampled_from([0.1, 1.0, 1e4]),
)
@settings(max_examples=100, deadline=None)
def test_any_trie_any_scores_gives_the_whole_catalogue_once(
    stub: Any, rows: list[tuple[int, ...]], seed: int, temperature: float | None, spread: float
) -> None:
    trie = Trie.of(np.array(rows))
    draw = torch.Generator().manual_seed(seed)
    model = stub(torch.randn(6, 6, generator=draw) * spread)
    prompt = torch.randint(0, 6, (2, 1), generator=draw)
    ones = torch.ones_like(prompt)
    for k in {1, (len(rows) + 1) // 2, len(rows)}:
        lists = decode_lists(model, trie, prompt, ones, k, group=3, temperature=temperature, generator=draw)
        assert lists.tokens.shape == (6, k * trie.levels)
        for tokens, pois in zip(lists.tokens.tolist(), lists.pois.tolist(), strict=True):
            assert [t for p in pois for t in rows[p]] == tokens
            assert len(set(pois)) == k
        assert bool(allowed_sets(trie, lists.tokens).valid.all())
        assert bool((lists.logprobs <= 1e-5).all())


def test_probabilities_equal_brute_force_and_sum_to_one(
    random_model: Any, left_padded: Any, list_probability: Any
) -> None:
    model, trie = random_model(), Trie.of(TOY)
    prompt, mask = left_padded([7])
    brute = {o: list_probability(model, prompt[0], TOY, o) for o in itertools.permutations(range(len(TOY)), 2)}
    assert sum(brute.values()) == pytest.approx(1, abs=1e-6)
    draws, many = 4000, prompt.expand(100, -1)
    lists = decode_lists(
        model,
        trie,
        many,
        mask.expand(100, -1),
        2,
        group=40,
        temperature=1.0,
        generator=torch.Generator().manual_seed(3),
    )
    orders = [tuple(row) for row in lists.pois.tolist()]
    for order, logp in zip(orders[:200], lists.logprobs[:200].sum(1).tolist(), strict=True):
        assert math.exp(logp) == pytest.approx(brute[order], rel=1e-4)
    for order, p in brute.items():  # observed shares within 4.5 standard errors
        assert orders.count(order) / draws == pytest.approx(p, abs=4.5 * math.sqrt(p * (1 - p) / draws) + 1e-3)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_logprobs_equal_a_plain_forward_of_each_list(kind: str, random_model: Any, left_padded: Any) -> None:
    model, trie = random_model(kind), Trie.of(TOY)
    prompt, mask = left_padded([9, 4, 1])
    lists = decode_lists(
        model, trie, prompt, mask, 4, group=3, temperature=0.7, generator=torch.Generator().manual_seed(0)
    )
    whole = torch.cat([prompt.repeat_interleave(3, 0), lists.tokens], 1)
    whole_mask = torch.cat([mask.repeat_interleave(3, 0), torch.ones_like(lists.tokens)], 1)
    with torch.no_grad():
        logits = model(whole, attention_mask=whole_mask).logits[:, prompt.shape[1] - 1 : -1]
    allowed = allowed_sets(trie, lists.tokens)
    logp, entropy = renormalised(logits[..., trie.vocabulary], allowed, 0.7)
    torch.testing.assert_close(logp, lists.logprobs, atol=2e-5, rtol=0)
    assert bool(allowed.valid.all()) and bool((entropy >= 0).all())


def test_greedy_takes_the_best_open_token_and_ignores_its_neighbours(
    random_model: Any, left_padded: Any, list_probability: Any
) -> None:
    model, trie = random_model(), Trie.of(TOY)
    prompt, mask = left_padded([9, 4])
    both = decode_lists(model, trie, prompt, mask, 3)
    for row in range(2):
        alone = decode_lists(model, trie, prompt[row : row + 1], mask[row : row + 1], 3, group=2)
        assert alone.pois[0].tolist() == alone.pois[1].tolist() == both.pois[row].tolist()
    first = {p: list_probability(model, prompt[0], TOY, (p,)) for p in range(len(TOY))}
    by_prefix = {t: sum(v for p, v in first.items() if TOY[p, 0] == t) for t in (41, 42, 43)}
    assert TOY[both.pois[0, 0], 0] == max(by_prefix, key=lambda t: by_prefix[t])


def test_same_generator_gives_the_same_lists(random_model: Any, left_padded: Any) -> None:
    model, trie = random_model(), Trie.of(TOY)
    prompt, mask = left_padded([5, 3])
    one, two = (
        decode_lists(model, trie, prompt, mask, 4, group=4, temperature=1.0, generator=torch.Generator().manual_seed(9))
        for _ in range(2)
    )
    assert torch.equal(one.tokens, two.tokens) and torch.equal(one.logprobs, two.logprobs)


def test_refusals(random_model: Any, stub: Any, left_padded: Any) -> None:
    model, trie = random_model(), Trie.of(TOY)
    prompt, mask = left_padded([5])
    with pytest.raises(UserError, match="6 distinct IDs"):
        decode_lists(model, trie, prompt, mask, 7)
    for temperature in (None, 1.0):
        broken = stub(torch.full((60, 60), torch.nan))
        with pytest.raises(FloatingPointError, match="not finite"):
            decode_lists(broken, trie, prompt, mask, 2, temperature=temperature)


def test_mode_is_put_back_and_nothing_needs_gradients(random_model: Any, left_padded: Any) -> None:
    model, trie = random_model().train(), Trie.of(TOY)
    lists = decode_lists(model, trie, *left_padded([5]), 2)
    assert model.training and not lists.logprobs.requires_grad


def test_padding_and_neighbours_change_nothing(random_model: Any, left_padded: Any) -> None:
    model, trie = random_model(), Trie.of(TOY)
    prompt, mask = left_padded([9, 4, 1])
    wide = [torch.nn.functional.pad(t, (7, 0)) for t in (prompt, mask)]
    together, padded = (decode_lists(model, trie, *given, 4) for given in ((prompt, mask), wide))
    for row, length in enumerate([9, 4, 1]):
        alone = decode_lists(model, trie, prompt[row : row + 1, -length:], mask[row : row + 1, -length:], 4)
        for other in (together, padded):
            assert alone.tokens[0].tolist() == other.tokens[row].tolist()
            torch.testing.assert_close(alone.logprobs[0], other.logprobs[row], atol=1e-5, rtol=0)


def test_the_prompts_cache_is_not_copied_for_a_group(
    random_model: Any, left_padded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []

    def spy(*given: Any, room: int) -> Any:
        opened.append(branches_of(*given, room=room))
        return opened[-1]

    monkeypatch.setattr("refinepoi.decoding.lists.branches_of", spy)
    (prompt, mask), group, k = left_padded([9, 4]), 5, 3
    decode_lists(random_model(), Trie.of(TOY), prompt, mask, k, group=group)
    for layer in opened[0]._cache.layers:  # keys [prompts, heads, tokens, width]: each token of a list once, no more
        assert layer._keys.shape == layer._values.shape == (2, 1, 9 + group * (2 * k - 1), 8)
