"""One pass of a decoder of Llama's shape (Qwen's too), to the bit what `transformers` computes, without its Python.

A pass over a few tokens of a small model is mostly Python between the operators: masks looked at, settings merged,
outputs captured, modules called. Here the operators alone are called, in the same order. A decoder is not known by
name: `lean` tries on a few tokens whether the results are equal to the bit, and returns None where they are not, and
where anything hangs on the modules (adapters, quantised layers, hooks) or is not float32. Then the model's own forward
runs, as ever. In bfloat16 a trial of today says nothing of tomorrow's weights: `transformers` rounds before a norm's
weight multiplies, torch after, which is equal while that weight is 1 and no longer once it is trained.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.cache_utils import DynamicCache
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from refinepoi.linear import Linear, product

Pass = Callable[[Tensor, Tensor, Tensor, Any], Tensor]
"""(tokens [B, W], positions [B, W], additive mask [B, 1, W, past + W], cache) -> hidden states [B, W, D]."""

_equal: "WeakKeyDictionary[nn.Module, bool]" = WeakKeyDictionary()


def lean(backbone: Any) -> Pass | None:
    """The lean pass of a decoder, of its weights as they are now. None: call the decoder itself."""
    if torch.is_autocast_enabled(next(backbone.parameters()).device.type):
        return None
    try:
        found = _pass_of(backbone)
    except (AttributeError, TypeError):  # of another shape, or not plain
        return None
    if backbone not in _equal:
        _equal[backbone] = _is_equal(backbone, found)
    return found if _equal[backbone] else None


def _is_equal(backbone: Any, ours: Pass) -> bool:
    """Two prompts, one of them padded, with two branches of one token each, in both ways: equal to the bit?"""
    weight = next(backbone.parameters())
    prompts, mask = torch.tensor([[[1, 2, 3], [0, 3, 1]], [[1, 1, 1], [0, 1, 1]]], device=weight.device)
    tokens = torch.tensor([[2, 1], [3, 2]], device=weight.device)
    at = mask.sum(-1, keepdim=True).expand_as(tokens)
    own = torch.eye(2, dtype=torch.bool, device=weight.device).expand(2, -1, -1)
    visible = torch.cat([mask.bool()[:, None].expand(-1, 2, -1), own], dim=2)[:, None]
    added = torch.zeros_like(visible, dtype=weight.dtype).masked_fill(~visible, torch.finfo(weight.dtype).min)
    try:
        one, two = (DynamicCache(config=backbone.config) for _ in range(2))
        for cache in (one, two):
            backbone(input_ids=prompts, attention_mask=mask, past_key_values=cache, use_cache=True)
        theirs = backbone(input_ids=tokens, attention_mask=added, position_ids=at, past_key_values=two, use_cache=True)
        return torch.equal(ours(tokens, at, added, one), theirs.last_hidden_state)
    except Exception:  # what decoders of other shapes lack shows in ways of their own
        return False


def _pass_of(backbone: Any) -> Pass:
    """Raises AttributeError or TypeError where the decoder is of another shape or more than its classes say."""
    if backbone.config._attn_implementation != "sdpa" or any(_hooked(module) for module in backbone.modules()):
        raise TypeError("not a plain decoder")
    if any(weight.dtype != torch.float32 for weight in backbone.parameters()):
        raise TypeError("not float32")
    layers = [_Layer(layer) for layer in backbone.layers[: backbone.config.num_hidden_layers]]
    return partial(_run, backbone, layers, _norm(backbone.norm))


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks) or "forward" in vars(module)


def _run(
    backbone: Any,
    layers: list["_Layer"],
    norm: Callable[[Tensor], Tensor],
    tokens: Tensor,
    at: Tensor,
    mask: Tensor,
    cache: Any,
) -> Tensor:
    hidden: Tensor = backbone.embed_tokens(tokens)
    cos, sin = (t.unsqueeze(1) for t in backbone.rotary_emb(hidden, position_ids=at))
    half = sin.shape[-1] // 2
    sin = torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)
    for layer in layers:
        hidden = layer(hidden, cos, sin, mask, cache)
    return norm(hidden)


class _Layer:
    """What a pass through a layer needs, looked up once."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.attention, self.number, self.width = attention, attention.layer_idx, attention.head_dim
        self.before, self.between = _norm(layer.input_layernorm), _norm(layer.post_attention_layernorm)
        self.q, self.k, self.v, self.o = (_linear(getattr(attention, f"{name}_proj")) for name in "qkvo")
        self.gate, self.up, self.down = (_linear(getattr(mlp, f"{name}_proj")) for name in ("gate", "up", "down"))
        self.q_norm, self.k_norm = (_norm(getattr(attention, name, None)) for name in ("q_norm", "k_norm"))
        self.act = mlp.act_fn

    def __call__(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, cache: Any) -> Tensor:
        batch, width, _ = hidden.shape
        heads = (batch, width, -1, self.width)
        x = self.before(hidden)
        q = _rotated(self.q_norm(self.q(x).view(heads)).transpose(1, 2), cos, sin)
        k = _rotated(self.k_norm(self.k(x).view(heads)).transpose(1, 2), cos, sin)
        k, v = cache.update(k, self.v(x).view(heads).transpose(1, 2), self.number)
        seen, _ = sdpa_attention_forward(self.attention, q, k, v, mask, scaling=self.attention.scaling)
        hidden = hidden + self.o(seen.reshape(batch, width, -1))
        x = self.between(hidden)
        return hidden + self.down(self.act(self.gate(x)) * self.up(x))


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [B, heads, W, width] turned by its position. sin: with the sign of the first half turned."""
    return x * cos + x.roll(x.shape[-1] // 2, -1) * sin


def _norm(module: Any) -> Callable[[Tensor], Tensor]:
    if module is None:
        return _itself
    return partial(F.rms_norm, normalized_shape=module.weight.shape, weight=module.weight, eps=module.variance_epsilon)


def _linear(module: Any) -> Callable[[Tensor], Tensor]:
    if type(module) not in (nn.Linear, Linear):
        raise TypeError("not a plain linear layer")
    return partial(product if type(module) is Linear else F.linear, weight=module.weight, bias=module.bias)


def _itself(x: Tensor) -> Tensor:
    return x
