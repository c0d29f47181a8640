"""What benchmarks/decoding.py decodes: random models of three sizes, a catalogue, prompts, and the peers' own paths."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from refinepoi.decoding.trie import Trie
from refinepoi.linear import quicken

WORDS, GRID, LEVELS, PLACES = 512, 256, 2, 5000
SIZES = {
    "1M": (LlamaForCausalLM, LlamaConfig, 128, 4, 384, 4, 4),  # conf/model/tiny.yaml
    "5M": (LlamaForCausalLM, LlamaConfig, 256, 6, 768, 8, 8),
    "20M": (Qwen3ForCausalLM, Qwen3Config, 512, 6, 1536, 8, 4),  # conf/model/small.yaml
}


def model_of(size: str, quick: bool) -> PreTrainedModel:
    """Random weights. The last norm is scaled so that choices are about as sure as a trained model's.

    quick: with the linear layers that refinepoi gives its models (refinepoi/linear.py), or torch's own.
    """
    cls, config, hidden, layers, intermediate, heads, kv_heads = SIZES[size]
    torch.manual_seed(0)
    model = cls(
        config(
            vocab_size=WORDS + LEVELS * GRID,
            hidden_size=hidden,
            num_hidden_layers=layers,
            intermediate_size=intermediate,
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            head_dim=hidden // heads,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    ).eval()
    with torch.no_grad():
        model.get_decoder().norm.weight.mul_(3 / (0.02 * hidden**0.5))
    if quick:
        quicken(model)
    return model


def parameters(model: PreTrainedModel) -> int:
    """Without embeddings, which no token multiplies with (the head is done for few positions)."""
    return sum(p.numel() for name, p in model.named_parameters() if "embed" not in name and p.ndim == 2)


def after_the_last_keys(model: PreTrainedModel) -> int:
    """Of them, those that follow the last layer's keys and values."""
    last = model.get_decoder().layers[-1]
    keys = last.self_attn.k_proj, last.self_attn.v_proj
    return sum(p.numel() for p in last.parameters() if p.ndim == 2) - sum(m.weight.numel() for m in keys)


def catalogue() -> Trie:
    """5,000 places on two levels of 16x16, as New York's."""
    cells = np.random.default_rng(0).choice(GRID**LEVELS, PLACES, replace=False)
    return Trie.of(WORDS + np.stack([cells // GRID, GRID + cells % GRID], axis=1))


def prompts(rows: int, length: int) -> tuple[Tensor, Tensor]:
    """Token numbers and mask, int64 [rows, length], without padding."""
    ids = torch.randint(3, WORDS, (rows, length), generator=torch.Generator().manual_seed(1))
    return ids, torch.ones_like(ids)


def hf_beams(model: PreTrainedModel, trie: Trie, ids: Tensor, mask: Tensor, k: int) -> Callable[[], Tensor]:
    """Hugging Face's beam search with the catalogue as `prefix_allowed_tokens_fn`: places [B, k], best first."""
    follow: dict[tuple[int, ...], list[int]] = {}
    places: dict[tuple[int, ...], int] = {}
    for leaf, path in enumerate(trie.path[:, 1:]):
        tokens = tuple(trie.token[path].tolist())
        places[tokens] = int(trie.leaf_poi[leaf])
        for level in range(len(tokens)):
            follow.setdefault(tokens[:level], []).append(tokens[level])
    allowed = {prefix: sorted(set(tokens)) for prefix, tokens in follow.items()}
    length = ids.shape[1]

    def run() -> Tensor:
        found = model.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=GenerationConfig(
                num_beams=k, num_return_sequences=k, max_new_tokens=trie.levels, do_sample=False, pad_token_id=0,
                renormalize_logits=True, bos_token_id=1, eos_token_id=None,
            ),
            prefix_allowed_tokens_fn=lambda _, text: allowed[tuple(text[length:].tolist())],
        )  # fmt: skip
        return torch.tensor([places[tuple(row)] for row in found[:, length:].tolist()]).view(len(ids), k)

    return run


def trl_generation(
    model: PreTrainedModel, ids: Tensor, mask: Tensor, group: int, new_tokens: int
) -> Callable[[], Tensor]:
    """What TRL's GRPOTrainer does without vLLM: `generate` on each prompt `group` times, free text, these settings.

    The end token is held off, so that as many tokens are sampled as in the lists it is compared with.
    """
    settings = GenerationConfig(
        max_new_tokens=new_tokens, min_new_tokens=new_tokens, do_sample=True, temperature=1.0, top_p=1.0, top_k=0,
        min_p=None, repetition_penalty=1.0, cache_implementation=None, disable_compile=True,
        pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    rows, ones = ids.repeat_interleave(group, 0), mask.repeat_interleave(group, 0)

    def run() -> Tensor:
        with torch.no_grad():
            return model.generate(input_ids=rows, attention_mask=ones, generation_config=settings)

    return run
