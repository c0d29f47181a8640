"""Ordered lists of k different places, sampled or greedy, for G lists a prompt over one prompt cache.

The policy of a constrained list: at each token, the model's scores over the open children of the current trie node,
renormalised (and divided by the temperature). The probability of a list is the product over its k * L tokens; training
must score the same policy (`constraint.py`). Nothing follows the last item: the end is forced and carries no choice.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from refinepoi.decoding.branches import evaluating
from refinepoi.decoding.head import Head, head_of
from refinepoi.decoding.recomputed import branches_of
from refinepoi.decoding.trie import Trie


@dataclass(frozen=True, eq=False)
class Lists:
    """
    tokens: int64 [B * group, k * L], ids of the tokenizer, rows grouped by prompt.
    pois: int64 [B * group, k], places, all different in a row.
    logprobs: float32 [B * group, k * L], of each token over the allowed set, at the temperature used (greedy: 1).
    """

    tokens: Tensor
    pois: Tensor
    logprobs: Tensor


def decode_lists(
    model: nn.Module,
    trie: Trie,
    input_ids: Tensor,
    attention_mask: Tensor,
    k: int,
    *,
    group: int = 1,
    temperature: float | None = None,
    generator: torch.Generator | None = None,
    draws: Tensor | None = None,
) -> Lists:
    """`group` lists for each prompt of `input_ids` int64 [B, P] (padded on the left).

    temperature: None takes the best token each time; a number samples with it.
    draws: float [B * group, k * L] in [0, 1), one for each token, where it is sampled; None draws from `generator`.
    Raises UserError where k exceeds the catalogue, FloatingPointError where the model's scores are not finite.
    """
    trie.require_places(k)
    batch, levels, steps = len(input_ids), trie.levels, k * trie.levels
    device, rows = input_ids.device, len(input_ids) * group
    used = torch.empty((rows, 0), dtype=torch.long, device=device)
    tokens = torch.empty((rows, steps), dtype=torch.long, device=device)
    logprobs = torch.empty((rows, steps), device=device)
    if temperature is None:
        draws = None
    elif draws is None:
        draws = torch.rand(rows, steps, dtype=torch.float64, generator=generator, device=device)
    with evaluating(model):
        branches = branches_of(model, input_ids, attention_mask, room=group * (steps - 1))
        head = head_of(model, trie.vocabulary)
        own_past = torch.eye(group, dtype=torch.bool, device=device).repeat(1, steps - 1).expand(batch, -1, -1)
        mask = branches.mask(own_past)
        prompt_width = input_ids.shape[1]
        chosen = torch.zeros(rows, dtype=torch.long, device=device)
        hidden = branches.prompt_hidden.repeat_interleave(group, dim=0)
        for step in range(steps):
            level = step % levels
            node = chosen if level else torch.zeros_like(chosen)
            child, logp = choices(head, trie, hidden, node, used, level, temperature or 1.0)
            column = logp.argmax(-1, keepdim=True) if draws is None else pick(logp, draws[:, step])
            logprobs[:, step] = logp.gather(1, column)[:, 0]
            chosen = child.gather(1, column)[:, 0]
            tokens[:, step] = trie.token[chosen]
            if level == levels - 1:
                used = torch.cat([used, chosen[:, None] - trie.first_leaf], dim=1)
            if step < steps - 1:
                seen = prompt_width + group * (step + 1)
                hidden = branches.extend(tokens[:, step].view(batch, group), step, mask[..., :seen]).flatten(0, 1)
    return Lists(tokens, trie.leaf_poi[used], logprobs)


def choices(
    head: Head, trie: Trie, hidden: Tensor, node: Tensor, used: Tensor, level: int, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """What may follow each row: nodes [R, C] and their log-probabilities over the open ones [R, C], -inf where closed.

    head: over `trie.vocabulary`. hidden: [R, D], after the row's last token. node: int64 [R], all of `level`.
    used: int64 [R, J], the leaves before.
    """
    child, is_open = trie.open_children(node, used, level)
    scores = head(hidden).gather(1, trie.slot[child]).masked_fill_(~is_open, -torch.inf)
    logp = torch.log_softmax(scores if temperature == 1 else scores / temperature, dim=-1)
    if bool(logp[:, 0].isnan().any()):  # one score that is not finite spoils its whole row
        raise FloatingPointError("the model's scores are not finite: training diverged or weights are damaged")
    return child, logp


def pick(logp: Tensor, draw: Tensor) -> Tensor:
    """A column for each row of log-probabilities [R, C], int64 [R, 1]: where the draw [R] falls in their running sum.

    A column of probability 0 is never taken: the running sum does not grow there.
    """
    running = logp.double().exp().cumsum(-1)
    return (running <= draw[:, None].double() * running[:, -1:]).sum(-1, keepdim=True)
