"""Reasoning before a list: free text up to the end of its block; what comes after is constrained as ever.

A policy that learned to think first is another policy where it may not, so its lists are decoded after its own text.
A block opens with the answer, or in the prompt where a chat template opens it there; an answer that begins with
anything else has none, and its list follows the prompt. A block ends with its closing mark, and with the blanks that
the model puts behind it. One that is still open after `most` tokens, or when the model ends its answer, is closed here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from refinepoi.decoding.branches import evaluating
from refinepoi.decoding.head import head_of
from refinepoi.decoding.lists import pick
from refinepoi.decoding.recomputed import branches_of
from refinepoi.prompt.parse import CLOSE, OPEN

TAIL = 16
"""Tokens looked at for a mark: each holds a byte of it at least."""


class Thought(NamedTuple):
    """
    tokens: what stands between prompt and list, ids of the tokenizer; none without a block. text: inside the block,
    None without one. written: how many of the tokens the model chose. forced: whether it did not close the block.
    """

    tokens: list[int]
    text: str | None
    written: int
    forced: bool


def think(
    model: nn.Module,
    tokenizer: Any,
    input_ids: Tensor,
    attention_mask: Tensor,
    most: int,
    *,
    temperature: float | None = None,
    draws: Tensor | None = None,
    anyone: Callable[[bool], bool] = bool,
) -> list[Thought]:
    """What the model writes before its list, for each prompt of `input_ids` int64 [B, P] (padded on the left).

    most: tokens of a block. temperature: None takes the likeliest token each time; a number samples with it, where
    `draws`, float [B, most] in [0, 1), has one for each token. anyone: whether a flag is set here
    or in a process that holds another part of the model and must be asked as often (`training.ranks`). Raises
    FloatingPointError where scores are not finite.
    """
    prompts = zip(input_ids, attention_mask.bool(), strict=True)
    blocks = [Block(tokenizer, ids[real][-TAIL:].tolist()) for ids, real in prompts]
    with evaluating(model):
        branches = branches_of(model, input_ids, attention_mask, room=most)
        head = head_of(model, slice(len(tokenizer)))  # some heads have more rows than there are words
        hidden = branches.prompt_hidden
        for step in range(most):
            scores = head(hidden)
            if not bool(scores.isfinite().all()):
                raise FloatingPointError("the model's scores are not finite: training diverged or weights are damaged")
            if temperature is None or draws is None:
                token = scores.argmax(-1, keepdim=True)
            else:
                token = pick(torch.log_softmax(scores / temperature, -1), draws[:, step])
            for block, number in zip(blocks, token[:, 0].tolist(), strict=True):
                block.add(number)
            if step == most - 1 or not anyone(not all(block.over for block in blocks)):
                break
            seen = torch.ones((len(blocks), 1, step + 1), dtype=torch.bool, device=token.device)
            hidden = branches.extend(token, step, branches.mask(seen))[:, 0]
    return [block.thought() for block in blocks]


class Block:
    """One answer while it is written. A row that is over goes on in the batch, and nothing of it is kept."""

    def __init__(self, tokenizer: Any, prompt: list[int]) -> None:
        """prompt: its last tokens."""
        self._tokenizer = tokenizer
        self._begun = self._in_prompt = tokenizer.decode(prompt).rstrip().endswith(OPEN)
        self._tokens: list[int] = []
        self._closed = 0  # tokens up to the closing mark
        self.over = False

    def add(self, token: int) -> None:
        if self.over:
            return
        if token == self._tokenizer.eos_token_id:
            self.over = True
            return
        self._tokens.append(token)
        if self._closed:
            if self._text(self._closed).strip():  # the list begins
                self._tokens.pop()
                self.over = True
            return
        if not self._begun:
            text = self._text().lstrip()
            self._begun = text.startswith(OPEN)
            self.over = not (self._begun or OPEN.startswith(text))
        if self._begun and CLOSE in self._text(-TAIL):
            self._closed = len(self._tokens)

    def thought(self) -> Thought:
        if not self._begun:
            return Thought([], None, 0, False)
        inside = self._text() if self._in_prompt else self._text().partition(OPEN)[2]
        closing = [] if self._closed else self._tokenizer(CLOSE, add_special_tokens=False)["input_ids"]
        text = inside.partition(CLOSE)[0].strip()
        return Thought([*self._tokens, *closing], text, len(self._tokens), bool(closing))

    def _text(self, first: int = 0) -> str:
        text: str = self._tokenizer.decode(self._tokens[first:], clean_up_tokenization_spaces=False)
        return text
