"""The likeliest whole lists by beam search: `width` unfinished lists of each prompt go on side by side.

A greedy list takes the best token each time and cannot go back; here a list may start with the second best item if what
follows is surer. Beams share the prompt's cache and, where they share their beginning, that too: a beam that is dropped
or doubled changes who sees whom in the mask, no cache moves. Costs a prompt and `width` lists without theirs.
Not exact: the space of lists is too large for that; width 1 is the greedy list.
"""

import torch
from torch import Tensor, nn

from refinepoi.decoding.branches import evaluating
from refinepoi.decoding.head import head_of
from refinepoi.decoding.lists import Lists, choices
from refinepoi.decoding.recomputed import branches_of
from refinepoi.decoding.trie import Trie


def beam_lists(model: nn.Module, trie: Trie, input_ids: Tensor, attention_mask: Tensor, k: int, *, width: int) -> Lists:
    """The best list of `k` different places found for each prompt of `input_ids` int64 [B, P] (padded on the left)."""
    trie.require_places(k)
    batch, device, steps = len(input_ids), input_ids.device, k * trie.levels
    total = torch.full((batch, width), -torch.inf, device=device)
    total[:, 0] = 0.0  # all beams are alike at first: one of them counts
    node = torch.zeros((batch, width), dtype=torch.long, device=device)
    used = tokens = node[..., None][..., :0]
    logprobs = total[..., None][..., :0]
    seen = torch.zeros((batch, width, 0), dtype=torch.bool, device=device)
    own = torch.eye(width, dtype=torch.bool, device=device).expand(batch, -1, -1)
    with evaluating(model):
        branches = branches_of(model, input_ids, attention_mask, room=width * (steps - 1))
        head = head_of(model, trie.vocabulary)
        hidden = branches.prompt_hidden[:, None].expand(-1, width, -1)
        for step in range(steps):
            level = step % trie.levels
            at = (node if level else torch.zeros_like(node)).flatten()
            child, logp = choices(head, trie, hidden.flatten(0, 1), at, used.flatten(0, 1), level)
            child, logp = child.view(batch, width, -1), logp.view(batch, width, -1)
            best = (total[..., None] + logp).flatten(1).topk(width)
            total = best.values
            pick = torch.where(total.isfinite(), best.indices, best.indices[:, :1])  # too few lists: the best again
            parent = pick // logp.shape[-1]
            node = child.flatten(1).gather(1, pick)
            used, tokens, logprobs, seen = (_of_parents(kept, parent) for kept in (used, tokens, logprobs, seen))
            tokens = torch.cat([tokens, trie.token[node][..., None]], 2)
            logprobs = torch.cat([logprobs, logp.flatten(1).gather(1, pick)[..., None]], 2)
            if level == trie.levels - 1:
                used = torch.cat([used, node[..., None] - trie.first_leaf], 2)
            if step < steps - 1:
                seen = torch.cat([seen, own], 2)
                hidden = branches.extend(tokens[..., -1], step, branches.mask(seen))
    return Lists(tokens[:, 0], trie.leaf_poi[used[:, 0]], logprobs[:, 0])


def _of_parents(kept: Tensor, parent: Tensor) -> Tensor:
    """Rows of `kept` [B, W, N] in the order of `parent` [B, W]."""
    return kept.gather(1, parent[..., None].expand(-1, -1, kept.shape[2]))
