"""Models without a cache of keys and values, or whose attention takes no mask of ours: found out, same results."""

import logging
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import MambaConfig, MambaForCausalLM, MistralConfig, MistralForCausalLM

from refinepoi.decoding.beam import beam_items
from refinepoi.decoding.branches import Branches
from refinepoi.decoding.lists import decode_lists
from refinepoi.decoding.packed import packed_hidden
from refinepoi.decoding.recomputed import Recomputed, branches_of, takes_branches
from refinepoi.decoding.score import score_items
from refinepoi.decoding.trie import Trie

IDS = np.array([[41, 51, 55], [41, 51, 56], [41, 52, 55], [42, 51, 55], [42, 53, 57], [43, 54, 55]])


@pytest.fixture(scope="module")
def mamba() -> nn.Module:
    """A state-space model: no attention, a cache of another kind."""
    torch.manual_seed(0)
    config = MambaConfig(vocab_size=60, hidden_size=16, state_size=4, num_hidden_layers=2, pad_token_id=0)
    model: nn.Module = MambaForCausalLM(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.normal_(0.0, 0.5)
    return model.eval()


def test_models_are_told_apart(mamba: nn.Module, random_model: Any, left_padded: Any, caplog: Any) -> None:
    prompt, mask = left_padded([5, 3])
    with torch.no_grad():
        for kind in ("qwen3", "llama"):
            assert isinstance(branches_of(random_model(kind), prompt, mask, 4), Branches)
        with caplog.at_level(logging.WARNING):
            assert isinstance(branches_of(mamba, prompt, mask, 4), Recomputed)
            assert isinstance(branches_of(mamba, prompt, mask, 4), Recomputed)
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("refinepoi")]
    assert len(ours) == 1 and "MambaForCausalLM" in ours[0]  # said once


def test_a_sliding_window_is_kept() -> None:
    sizes: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 1}
    config = MistralConfig(vocab_size=60, hidden_size=16, intermediate_size=8, sliding_window=8, **sizes)
    model = MistralForCausalLM(config).eval()
    assert takes_branches(model, 8) and not takes_branches(model, 9)


def test_a_model_that_ignores_the_mask_is_found_out(random_model: Any) -> None:
    model = random_model("llama")
    inner = model.model.forward
    model.model.forward = lambda **given: inner(**{**given, "attention_mask": None})
    assert not takes_branches(model, 10)


def test_both_ways_agree(random_model: Any, left_padded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, trie, (prompt, mask) = random_model(scale=0.6), Trie.of(IDS), left_padded([8, 3, 5])
    pois = torch.tensor([[0, 5, 1], [2, 2, 3], [4, -1, 0]])
    branches = torch.randint(1, 60, (3, 2, 4), generator=torch.Generator().manual_seed(1))

    def everything() -> list[Tensor]:
        lists = decode_lists(
            model, trie, prompt, mask, 4, group=3, temperature=1.0, generator=torch.Generator().manual_seed(0)
        )
        hidden = packed_hidden(model, prompt, mask, branches)
        (gradient,) = torch.autograd.grad(hidden.square().sum(), model.model.layers[0].mlp.up_proj.weight)
        best = beam_items(model, trie, prompt, mask, 5, width=2)
        return [lists.tokens, lists.logprobs, *best, score_items(model, trie, prompt, mask, pois), hidden, gradient]

    quick = everything()
    for module in ("recomputed", "packed"):
        monkeypatch.setattr(f"refinepoi.decoding.{module}.takes_branches", lambda *_: False)
    for a, b in zip(quick, everything(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_a_state_space_model_decodes_exactly(mamba: nn.Module, left_padded: Any, exhaustive: Any) -> None:
    trie, (prompt, mask) = Trie.of(IDS), left_padded([8, 3])
    pois, scores = beam_items(mamba, trie, prompt, mask, 4)
    truth = [exhaustive(mamba, ids[real.bool()], IDS).topk(4) for ids, real in zip(prompt, mask, strict=True)]
    assert pois.tolist() == [t.indices.tolist() for t in truth]
    torch.testing.assert_close(scores, torch.stack([t.values for t in truth]).float(), atol=1e-4, rtol=0)
    lists = decode_lists(mamba, trie, prompt, mask, 6)
    assert [sorted(row) for row in lists.pois.tolist()] == [list(range(6))] * 2
