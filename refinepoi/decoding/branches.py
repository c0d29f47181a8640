"""Branches: many continuations of one prompt, decoded side by side over one key-value cache of that prompt.

The G continuations of a prompt are G query positions of one sequence; a mask lets each see the prompt and its own past
only. So the prompt is computed and stored once, whatever G, and no cache is ever copied or repeated. Works with any
Hugging Face causal model whose attention takes a 4-D mask (sdpa, eager) and whose head is linear.

Shapes: B prompts, W branches each, P prompt tokens (padded on the left), D hidden size, V words of `Trie.vocabulary`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache, DynamicLayer

from refinepoi.decoding.head import causal_model
from refinepoi.decoding.lean import lean
from refinepoi.decoding.padding import additive, positions_of


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """No gradients and no dropout inside; the model's mode is put back afterwards."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


class Branches:
    """The cache of a batch of prompts and of what has been decoded after them. Use it inside `evaluating(model)`."""

    def __init__(self, model: nn.Module, input_ids: Tensor, attention_mask: Tensor, room: int) -> None:
        """`room`: how many tokens will be decoded after each prompt, over all branches (it grows when exceeded)."""
        self._backbone = causal_model(model).base_model
        self._prompt = attention_mask.bool()
        self._next_position = attention_mask.long().sum(-1, keepdim=True)
        layers = self._backbone.config.get_text_config().num_hidden_layers
        self._cache = Cache(layers=[_RoomyLayer(room) for _ in range(layers)])
        self.used = 0
        self._lean = lean(self._backbone)
        if self._lean is not None:
            hidden = self._lean.prompt(input_ids, attention_mask, self._cache)
        else:
            hidden = self._backbone(
                input_ids=input_ids,
                attention_mask=attention_mask,
                position_ids=positions_of(attention_mask),
                past_key_values=self._cache,
                use_cache=True,
            ).last_hidden_state[:, -1]
        self.prompt_hidden: Tensor = hidden
        """[B, D], after the last prompt token."""

    def mask(self, visible: Tensor) -> Tensor:
        """From `visible` bool [B, W, slots] over decoded tokens, the additive mask [B, 1, W, P + slots] of `extend`."""
        batch, width, _ = visible.shape
        whole = torch.cat([self._prompt[:, None, :].expand(batch, width, -1), visible], dim=-1)
        return additive(whole, self.prompt_hidden.dtype)

    def extend(self, tokens: Tensor, depth: Tensor | int, mask: Tensor) -> Tensor:
        """Feed one token for each branch and return the hidden states [B, W, D] after it.

        tokens: int64 [B, W]. depth: how many tokens each branch has decoded before these (int or int64 [B, W]).
        mask: as from `mask`, [B, 1, W, P + used + W]; the W new tokens are the last slots, each must see itself.
        """
        self.used += tokens.shape[1]
        positions = (self._next_position + depth).expand_as(tokens)
        if self._lean is not None:
            return self._lean(tokens, positions, mask, self._cache)
        hidden: Tensor = self._backbone(
            input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=self._cache, use_cache=True
        ).last_hidden_state
        return hidden


class _RoomyLayer(DynamicLayer):
    """A cache layer with room at the end: appending copies the new tokens only, not the prompt again."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.length = room, 0

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        end = self.length + key_states.shape[-2]
        if not self.is_initialized or end > self._keys.shape[-2]:
            self._grow(key_states, value_states, end)
        self._keys[:, :, self.length : end] = key_states
        self._values[:, :, self.length : end] = value_states
        self.length = end
        self.keys, self.values = self._keys[:, :, :end], self._values[:, :, :end]
        return self.keys, self.values

    def _grow(self, key_states: Tensor, value_states: Tensor, end: int) -> None:
        fresh = []
        for name, states in (("_keys", key_states), ("_values", value_states)):
            batch, heads, _, width = states.shape
            buffer = states.new_empty(batch, heads, end + self.room, width)
            if self.is_initialized:
                buffer[:, :, : self.length] = getattr(self, name)[:, :, : self.length]
            fresh.append(buffer)
        self._keys, self._values = fresh
        self.dtype, self.device = key_states.dtype, key_states.device
        self.is_initialized = True
