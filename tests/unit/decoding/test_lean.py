"""The lean pass: equal to the model's own to the bit where it is taken, and not taken where it would differ.

What follows a prompt's last token is computed for that token alone: near, and the rest equal to the bit from there.
"""

from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import (
    GemmaConfig,
    GemmaForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from refinepoi.decoding.beam import beam_items
from refinepoi.decoding.branches import Branches
from refinepoi.decoding.head import causal_model
from refinepoi.decoding.lean import Lean, _is_equal, lean
from refinepoi.decoding.lists import decode_lists
from refinepoi.decoding.padding import positions_of
from refinepoi.decoding.trie import Trie
from refinepoi.linear import quicken

IDS = np.array([[41, 51, 55], [41, 51, 56], [41, 52, 55], [42, 51, 55], [42, 53, 57], [43, 54, 55]])
SMALL: dict[str, Any] = {
    "vocab_size": 60, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "pad_token_id": 0,
}  # fmt: skip


def backbone(model: nn.Module) -> Any:
    return causal_model(model).base_model


def decoded(model: nn.Module, prompt: Tensor, mask: Tensor) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    lists = decode_lists(model, Trie.of(IDS), prompt, mask, 4, group=3, temperature=0.8, generator=draw)
    return [lists.tokens, lists.logprobs, *beam_items(model, Trie.of(IDS), prompt, mask, 5, width=2)]


def own_prompt(lean: Lean, tokens: Tensor, real: Tensor, cache: Any) -> Tensor:
    """In place of `Lean.prompt`: by the decoder itself, for every token."""
    hidden: Tensor = lean._backbone(
        input_ids=tokens, attention_mask=real, position_ids=positions_of(real), past_key_values=cache, use_cache=True
    ).last_hidden_state
    return hidden[:, -1]


def same_with_and_without(model: nn.Module, left_padded: Any, monkeypatch: pytest.MonkeyPatch) -> bool:
    """After prompts that the decoder read itself."""
    prompt, mask = left_padded([8, 3, 5])
    with monkeypatch.context() as patch:
        patch.setattr(Lean, "prompt", own_prompt)
        quick = decoded(model, prompt, mask)
        patch.setattr("refinepoi.decoding.branches.lean", lambda _: None)
        slow = decoded(model, prompt, mask)
    return all(torch.equal(a, b) for a, b in zip(quick, slow, strict=True))


def same_prompt_with_and_without(model: nn.Module, given: tuple[Tensor, Tensor], patch: pytest.MonkeyPatch) -> None:
    """Keys and values to the bit where a token is real; near after the last token."""
    real = given[1].bool()
    with torch.no_grad():
        assert lean(backbone(model)) is not None
        quick = Branches(model, *given, room=0)
        patch.setattr("refinepoi.decoding.branches.lean", lambda _: None)
        slow = Branches(model, *given, room=0)
    for one, two in zip(quick._cache.layers, slow._cache.layers, strict=True):
        for ours, theirs in ((one.keys, two.keys), (one.values, two.values)):
            assert torch.equal(ours.transpose(1, 2)[real], theirs.transpose(1, 2)[real])
    near = 1e-5 * float(slow.prompt_hidden.abs().max())
    torch.testing.assert_close(quick.prompt_hidden, slow.prompt_hidden, atol=near, rtol=0)


PEFT = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")


def qwen2() -> nn.Module:
    """Its attention has biases, here not zero, several queries share keys, and norms have an epsilon that counts."""
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(**SMALL, rms_norm_eps=0.1)).eval()
    for name, weight in model.named_parameters():
        nn.init.normal_(weight, std=1.0 if "norm" in name or "bias" in name else 0.4)
    return model


@pytest.mark.parametrize("kind", ["llama", "qwen3", "qwen2"])
@pytest.mark.parametrize("quick", [False, True])
def test_equal_to_the_bit(
    kind: str, quick: bool, random_model: Any, left_padded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = qwen2() if kind == "qwen2" else random_model(kind)
    if quick:
        quicken(model)
    with torch.no_grad():
        assert lean(backbone(model)) is not None
    assert same_with_and_without(model, left_padded, monkeypatch)


@pytest.mark.parametrize("kind", ["llama", "qwen3", "qwen2"])
@pytest.mark.parametrize("lengths", [[9, 9], [9, 4, 1]])
def test_prompts(
    kind: str, lengths: list[int], random_model: Any, left_padded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = qwen2() if kind == "qwen2" else random_model(kind)
    same_prompt_with_and_without(model, left_padded(lengths), monkeypatch)


def used_size() -> nn.Module:
    """Products large enough for oneDNN, heads wide enough for the vectors of the processor."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 128, "intermediate_size": 1536, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=60, num_key_value_heads=4, pad_token_id=0, **sizes)).eval()
    quicken(model)
    return model


def test_equal_to_the_bit_in_a_size_that_is_used(left_padded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = used_size()
    with torch.no_grad():
        assert lean(backbone(model)) is not None
    assert same_with_and_without(model, left_padded, monkeypatch)


@pytest.mark.parametrize("lengths", [[100, 100], [100, 37]])
def test_prompts_in_a_size_that_is_used(lengths: list[int], left_padded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    same_prompt_with_and_without(used_size(), left_padded(lengths), monkeypatch)


def test_the_weights_are_those_of_now(random_model: Any, left_padded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model()
    before = decoded(model, *left_padded([8, 3, 5]))
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.mul_(1.5)
        model.model.layers[1].self_attn.q_proj.weight = nn.Parameter(torch.randn(16, 16))
    assert same_with_and_without(model, left_padded, monkeypatch)
    assert not torch.equal(before[1], decoded(model, *left_padded([8, 3, 5]))[1])


@PEFT
def test_decoders_that_do_more_keep_their_own_forward(random_model: Any) -> None:
    with torch.no_grad():
        plain = random_model("llama")
        assert lean(backbone(plain)) is not None
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert lean(backbone(plain)) is None
        hook = plain.model.layers[1].mlp.register_forward_hook(lambda *_: None)
        assert lean(backbone(plain)) is None
        hook.remove()
        assert lean(backbone(plain)) is not None
        hook = plain.model.layers[1].mlp.register_forward_pre_hook(lambda *_: None)
        assert lean(backbone(plain)) is None
        hook.remove()
        plain.model.layers[0].forward = plain.model.layers[0].forward
        assert lean(backbone(plain)) is None
        adapted = get_peft_model(random_model("llama"), LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM"))
        assert lean(backbone(adapted)) is None
        assert lean(backbone(random_model("llama").bfloat16())) is None  # equal while its norms are untrained
        mixed = random_model("llama")
        mixed.model.norm.bfloat16()
        assert lean(backbone(mixed)) is None
        eager = random_model("llama")
        eager.set_attn_implementation("eager")
        assert lean(backbone(eager)) is None
        scaled = GemmaForCausalLM(GemmaConfig(**SMALL, head_dim=4))  # embeddings scaled, norms of another formula
        assert lean(backbone(scaled.eval())) is None


@pytest.mark.parametrize(
    ("changes", "taken"),
    [({}, True), ({"embedding_multiplier": 3.0}, False), ({"residual_multiplier": 0.5}, False)],
)
def test_a_decoder_of_the_same_parts_that_computes_something_else_is_seen_by_trying(
    changes: dict[str, float], taken: bool, left_padded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Granite names its parts as Llama does, but multiplies embeddings and what layers add."""
    torch.manual_seed(0)
    model = GraniteForCausalLM(
        GraniteConfig(**SMALL, attention_multiplier=0.7, initializer_range=0.4, **changes)
    ).eval()
    with torch.no_grad():
        assert (lean(backbone(model)) is not None) == taken
    assert same_with_and_without(model, left_padded, monkeypatch)


class Nearly(Lean):
    def __call__(self, *given: Any) -> Tensor:
        return super().__call__(*given) + 1e-6


def test_nearly_equal_is_not_equal_and_a_trial_that_fails_is_none(random_model: Any) -> None:
    plain = backbone(random_model("llama"))
    with torch.no_grad():
        ours = lean(plain)
        assert ours is not None and _is_equal(plain, ours, padded=True)
        assert not _is_equal(plain, Nearly(plain), padded=True)
        few_words = LlamaForCausalLM(LlamaConfig(**SMALL | {"vocab_size": 3}))  # fewer than the trial reads
        assert lean(backbone(few_words.eval())) is None


@PEFT
def test_an_adapter_put_on_later_is_seen(random_model: Any) -> None:
    with torch.no_grad():
        model = random_model("llama")
        assert lean(backbone(model)) is not None
        adapted = get_peft_model(model, LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM"))
        assert lean(backbone(adapted)) is None
