"""The allowed set at each position of lists already made, so that training scores the policy that was sampled.

TRL scores a token over the whole vocabulary; a constrained list was drawn from the scores renormalised over the open
children of the trie. Without this the gradient pushes on tokens that could never be drawn, and KL and ratios compare
other distributions. `lists.py` and this file ask the same `Trie.open_children`, so they cannot disagree.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from refinepoi.decoding.trie import Trie


@dataclass(frozen=True, eq=False)
class Allowed:
    """
    slot: int64 [R, T, C], the children at each position as columns of scores over `Trie.vocabulary`.
    is_open: bool [R, T, C], which of them were allowed.
    chosen: int64 [R, T], the column (of C) that the list took.
    valid: bool [R, T], whether the token taken was allowed; after the first that was not, all are False.
    """

    slot: Tensor
    is_open: Tensor
    chosen: Tensor
    valid: Tensor


def allowed_sets(trie: Trie, tokens: Tensor) -> Allowed:
    """For lists `tokens` int64 [R, k * L] (the tokenizer's ids)."""
    rows, steps = tokens.shape
    items, levels, width = steps // trie.levels, trie.levels, max(trie.widths)
    tokens = tokens[:, : items * levels].reshape(rows, items, levels)
    node = torch.zeros((rows, items), dtype=torch.long, device=tokens.device)
    children, chosen, found = [], [], []
    for level in range(levels):  # walk all items of all lists down the trie at once
        child, real = trie.all_children(node, width)
        match = real & (trie.token[child] == tokens[:, :, level, None])
        column = match.to(torch.uint8).argmax(-1)
        children.append(child)
        chosen.append(column)
        found.append(match.any(-1))
        node = child.gather(-1, column[..., None])[..., 0]
    leaf = (node - trie.first_leaf).clamp(min=0).masked_fill(~torch.stack(found).all(0), -1)
    earlier = torch.ones((items, items), dtype=torch.bool, device=tokens.device).tril(-1)
    used = leaf[:, None, :].expand(-1, items, -1).masked_fill(~earlier, -1).flatten(0, 1)
    is_open = torch.zeros((rows * items, levels, width), dtype=torch.bool, device=tokens.device)
    parent = torch.zeros(rows * items, dtype=torch.long, device=tokens.device)
    for level in range(levels):
        _, now = trie.open_children(parent, used, level)
        is_open[:, level, : now.shape[1]] = now
        parent = children[level].flatten(0, 1).gather(1, chosen[level].flatten()[:, None])[:, 0]
    slot = trie.slot[torch.stack(children, 2)].view(rows, steps, width)
    is_open = is_open.view(rows, steps, width)
    column = torch.stack(chosen, 2).view(rows, steps)
    taken = is_open.gather(-1, column[..., None])[..., 0] & torch.stack(found, 2).view(rows, steps)
    return Allowed(slot, is_open, column, taken.long().cumprod(1).bool())


def renormalised(scores: Tensor, allowed: Allowed, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Log-probability of each token taken and entropy of each choice (nats), both float32 [R, T], over the allowed set.

    scores: [R, T, V] over `Trie.vocabulary`. Positions that are not valid get 0 for both. Differentiable.
    """
    logits = scores.float().gather(-1, allowed.slot) / temperature
    logp = torch.log_softmax(logits.masked_fill(~allowed.is_open, -torch.inf), dim=-1)
    taken = logp.gather(-1, allowed.chosen[..., None])[..., 0]
    finite = logp.masked_fill(~allowed.is_open, 0.0)
    entropy = -(finite.exp() * finite).masked_fill(~allowed.is_open, 0.0).sum(-1)
    zero = torch.zeros_like(taken)
    return torch.where(allowed.valid, taken, zero), torch.where(allowed.valid, entropy, zero)
