"""One pass of a decoder of Llama's shape (Qwen's too), to the bit what `transformers` computes, without its Python.

A pass over a few tokens of a small model is mostly Python between the operators: masks looked at, settings merged,
outputs captured, modules called. Here the operators alone are called, in the same order. Of a prompt, the last layer
gives keys and values; what goes on from there is computed for the last token alone, of which products of another shape
may round another way. A decoder is not known by name: `lean` tries on a few tokens whether the results are equal to the
bit, and returns None where they are not, and where anything hangs on the modules (adapters, quantised layers, hooks) or
is not float32. Then the model's own forward runs, as ever. In bfloat16 a trial of today says nothing of tomorrow's
weights: `transformers` rounds before a norm's weight multiplies, torch after, which is equal while that weight is 1 and
no longer once it is trained.
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

from refinepoi.decoding.padding import additive, positions_of
from refinepoi.linear import Linear, product

_equal: "WeakKeyDictionary[nn.Module, bool]" = WeakKeyDictionary()


def lean(backbone: Any) -> "Lean | None":
    """The lean pass of a decoder, of its weights as they are now. None: call the decoder itself."""
    if torch.is_autocast_enabled(next(backbone.parameters()).device.type):
        return None
    try:
        found = Lean(backbone)
    except (AttributeError, TypeError):  # of another shape, or not plain
        return None
    if backbone not in _equal:
        _equal[backbone] = all(_is_equal(backbone, found, padded) for padded in (False, True))
    return found if _equal[backbone] else None


def _is_equal(backbone: Any, ours: "Lean", padded: bool) -> bool:
    """Two prompts, then two branches of one token each, in both ways: near, then equal to the bit?"""
    weight = next(backbone.parameters())
    prompts, mask = torch.tensor([[[1, 2, 3], [0, 3, 1]], [[1, 1, 1], [1 - padded, 1, 1]]], device=weight.device)
    tokens = torch.tensor([[2, 1], [3, 2]], device=weight.device)
    at = mask.sum(-1, keepdim=True).expand_as(tokens)
    own = torch.eye(2, dtype=torch.bool, device=weight.device).expand(2, -1, -1)
    added = additive(torch.cat([mask.bool()[:, None].expand(-1, 2, -1), own], dim=2), weight.dtype)
    try:
        one, two = (DynamicCache(config=backbone.config) for _ in range(2))
        theirs = backbone(
            input_ids=prompts, attention_mask=mask, position_ids=positions_of(mask), past_key_values=two, use_cache=True
        ).last_hidden_state[:, -1]
        near = torch.allclose(ours.prompt(prompts, mask, one), theirs, rtol=0, atol=1e-4 * float(theirs.abs().max()))
        theirs = backbone(
            input_ids=tokens, attention_mask=added, position_ids=at, past_key_values=two, use_cache=True
        ).last_hidden_state
        return near and torch.equal(ours(tokens, at, added, one), theirs)
    except Exception:  # what decoders of other shapes lack shows in ways of their own
        return False


class Lean:
    def __init__(self, backbone: Any) -> None:
        """Raises AttributeError or TypeError where the decoder is of another shape or more than its classes say."""
        if backbone.config._attn_implementation != "sdpa" or any(_hooked(module) for module in backbone.modules()):
            raise TypeError("not a plain decoder")
        if any(weight.dtype != torch.float32 for weight in backbone.parameters()):
            raise TypeError("not float32")
        self._backbone, self._norm = backbone, _norm(backbone.norm)
        self._layers = [_Layer(layer) for layer in backbone.layers[: backbone.config.num_hidden_layers]]

    def prompt(self, tokens: Tensor, real: Tensor, cache: Any) -> Tensor:
        """Hidden states [B, D] after the last of tokens [B, P]. real: int64 [B, P], 0 where padded, on the left."""
        hidden, cos, sin = self._begin(tokens, positions_of(real))
        mask = None  # what is not padded is causal alone, which attention knows itself
        if not bool(real.all()):
            causal = real.new_ones((tokens.shape[1], tokens.shape[1]), dtype=torch.bool).tril()
            mask = additive(real.bool()[:, None] & causal, hidden.dtype)
        for layer in self._layers[:-1]:
            hidden = layer(hidden, cos, sin, mask, cache)
        return self._norm(self._layers[-1](hidden, cos, sin, mask, cache, last=True))[:, 0]

    def __call__(self, tokens: Tensor, at: Tensor, mask: Tensor, cache: Any) -> Tensor:
        """Hidden states [B, W, D] after tokens [B, W] at positions [B, W]. mask: additive [B, 1, W, past + W]."""
        hidden, cos, sin = self._begin(tokens, at)
        for layer in self._layers:
            hidden = layer(hidden, cos, sin, mask, cache)
        return self._norm(hidden)

    def _begin(self, tokens: Tensor, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What goes into the first layer, and by what positions turn: the sine with the sign of the half turned."""
        hidden: Tensor = self._backbone.embed_tokens(tokens)
        cos, sin = (t.unsqueeze(1) for t in self._backbone.rotary_emb(hidden, position_ids=at))
        half = sin.shape[-1] // 2
        return hidden, cos, torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks) or "forward" in vars(module)


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

    def __call__(
        self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None, cache: Any, last: bool = False
    ) -> Tensor:
        """last: go on from the last position alone."""
        heads = (*hidden.shape[:2], -1, self.width)
        x = self.before(hidden)
        k = _rotated(self.k_norm(self.k(x).view(heads)).transpose(1, 2), cos, sin)
        k, v = cache.update(k, self.v(x).view(heads).transpose(1, 2), self.number)
        if last:
            hidden, x, cos, sin = hidden[:, -1:], x[:, -1:], cos[:, :, -1:], sin[:, :, -1:]
            mask = None if mask is None else mask[:, :, -1:]
            heads = (len(hidden), 1, -1, self.width)
        q = _rotated(self.q_norm(self.q(x).view(heads)).transpose(1, 2), cos, sin)
        seen, _ = sdpa_attention_forward(self.attention, q, k, v, mask, scaling=self.attention.scaling)
        hidden = self.o(seen.reshape(*hidden.shape[:2], -1)).add_(hidden)
        x = self.between(hidden)
        return self.down(self.act(self.gate(x)).mul_(self.up(x))).add_(hidden)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [B, heads, W, width] turned by its position. sin: with the sign of the first half turned."""
    return (x * cos).add_(x.roll(x.shape[-1] // 2, -1).mul_(sin))


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
