"""Constrained decoding on thousands of random catalogues, and against Hugging Face's own constrained beams."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from refinepoi.decoding.beam import beam_items
from refinepoi.decoding.constraint import allowed_sets
from refinepoi.decoding.lists import decode_lists
from refinepoi.decoding.trie import Trie

VOCABULARY, ROWS = 8, 5


class Table(nn.Module):
    """A language model whose next-token scores are a table looked up by the last token."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(VOCABULARY, VOCABULARY, bias=False)
        nn.init.eye_(self.head.weight)
        self.table = torch.zeros(VOCABULARY, VOCABULARY)
        self.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(num_hidden_layers=0, model_type="table"))
        self.base_model: Any = self._backbone
        self.get_output_embeddings = lambda: self.head

    @property
    def _backbone(self) -> Any:
        def backbone(input_ids: Tensor, **_: Any) -> SimpleNamespace:
            return SimpleNamespace(last_hidden_state=self.table[input_ids])

        backbone.config = self.config  # type: ignore[attr-defined]
        return backbone


def random_catalogue(draw: np.random.Generator) -> np.ndarray:
    """1 to 12 places on 1 to 4 levels: few tokens, so that prefixes are shared, widths ragged and some IDs equal."""
    levels, used = int(draw.integers(1, 5)), int(draw.integers(1, VOCABULARY + 1))
    return draw.integers(0, used, (int(draw.integers(1, 13)), levels))


def hold_for_random_catalogues(catalogues: int) -> None:
    draw, model, torch_draw = np.random.default_rng(0), Table(), torch.Generator().manual_seed(0)
    for number in range(catalogues):
        rows = random_catalogue(draw)
        trie, spelled = Trie.of(rows), {tuple(row) for row in rows.tolist()}
        spread = (0.0, 1.0, 30.0, 1e6)[number % 4]
        model.table = spread * torch.randn(VOCABULARY, VOCABULARY, generator=torch_draw)
        prompt = torch.randint(0, VOCABULARY, (ROWS, 1), generator=torch_draw)
        given = model, trie, prompt, torch.ones_like(prompt)
        k = int(draw.integers(1, trie.places + 1)) if number % 2 else trie.places
        temperature = (None, 1.0, 0.3)[number % 3]
        lists = decode_lists(*given, k, group=2, temperature=temperature, generator=torch_draw)
        for found in lists.tokens.view(2 * ROWS, k, trie.levels).tolist():
            items = [tuple(item) for item in found]
            assert set(items) <= spelled and len(set(items)) == k
            assert k < trie.places or set(items) == spelled  # whole catalogue: every leaf reached, no dead end
        assert [[tuple(rows[p]) for p in row] for row in lists.pois.tolist()] == [
            [tuple(item) for item in row] for row in lists.tokens.view(-1, k, trie.levels).tolist()
        ]
        assert bool(torch.isfinite(lists.logprobs).all())
        pois, scores = beam_items(*given, k)
        assert bool(torch.isfinite(scores[:, 0]).all())
        assert all({tuple(rows[p]) for p in row} <= spelled and len(set(row)) == k for row in pois.tolist())


def test_random_catalogues_and_scores() -> None:
    hold_for_random_catalogues(200)


@pytest.mark.slow
def test_ten_thousand_random_catalogues_and_scores() -> None:
    hold_for_random_catalogues(10_000)


def test_what_is_allowed_is_the_catalogue_and_nothing_else() -> None:
    draw = np.random.default_rng(1)
    for _ in range(30):
        levels = int(draw.integers(1, 4))
        rows = draw.integers(0, 5, (int(draw.integers(1, 15)), levels))
        every = torch.tensor(list(itertools.product(range(5), repeat=levels)))
        spelled = {tuple(row) for row in rows.tolist()}
        valid = allowed_sets(Trie.of(rows), every).valid.all(1)
        assert [tuple(row) in spelled for row in every.tolist()] == valid.tolist()


def random_model(kind: str) -> Any:
    sizes: dict[str, Any] = {
        "vocab_size": 60, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "head_dim": 8,
        "num_attention_heads": 2, "num_key_value_heads": 1, "initializer_range": 0.5, "pad_token_id": 0,
        "bos_token_id": None, "eos_token_id": None,
    }  # fmt: skip
    torch.manual_seed(0)
    return (
        Qwen3ForCausalLM(Qwen3Config(**sizes)) if kind == "qwen3" else LlamaForCausalLM(LlamaConfig(**sizes))
    ).eval()


def hugging_face_beams(model: Any, ids: np.ndarray, prompt: Tensor, mask: Tensor, k: int, beams: int) -> Any:
    """Places [B, k] and log-likelihoods [B, k]."""
    follow: dict[tuple[int, ...], list[int]] = {}
    for row, level in itertools.product(ids.tolist(), range(ids.shape[1])):
        follow.setdefault(tuple(row[:level]), []).append(row[level])
    found = model.generate(
        input_ids=prompt,
        attention_mask=mask,
        generation_config=GenerationConfig(
            num_beams=beams, num_return_sequences=k, max_new_tokens=ids.shape[1], do_sample=False,
            renormalize_logits=True, length_penalty=0.0, output_scores=True, return_dict_in_generate=True,
            pad_token_id=0,
        ),
        prefix_allowed_tokens_fn=lambda _, text: sorted(set(follow[tuple(text[prompt.shape[1] :].tolist())])),
    )  # fmt: skip
    place = {tuple(row): n for n, row in enumerate(ids.tolist())}
    pois = [place[tuple(row)] for row in found.sequences[:, prompt.shape[1] :].tolist()]
    return torch.tensor(pois).view(-1, k), found.sequences_scores.view(-1, k)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
@pytest.mark.parametrize(("exact", "beams", "k"), [(True, 25, 6), (False, 2, 2)])
def test_same_as_hugging_face_beams(kind: str, exact: bool, beams: int, k: int) -> None:
    """Beams as wide as a level has prefixes are exact, too; narrower ones are our plain beams, misses included."""
    draw = np.random.default_rng(2)
    ids = np.unique(40 + 5 * np.arange(3) + draw.integers(0, 5, (60, 3)), axis=0)
    draw.shuffle(ids)
    prompt = torch.randint(1, 40, (12, 9), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(9) >= torch.tensor([0, 2, 5, 8] * 3)[:, None]).long()
    prompt, model = prompt * mask, random_model(kind)
    theirs, likelihood = hugging_face_beams(model, ids, prompt, mask, k, beams)
    ours, scores = beam_items(model, Trie.of(ids), prompt, mask, k, exact=exact)
    assert ours.tolist() == theirs.tolist()
    torch.testing.assert_close(scores, likelihood, atol=1e-4, rtol=0)
    if not exact:
        assert ours.tolist() != beam_items(model, Trie.of(ids), prompt, mask, k)[0].tolist()  # they do miss some
