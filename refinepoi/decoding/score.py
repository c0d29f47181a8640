"""Exact log-likelihoods of given places, many for each prompt, in one pass after the prompt.

The same quantity as `beam_items` ranks by: the product of a place's tokens over the allowed children. Prefixes that
candidates share are fed once; all levels go in together, each token seeing the prompt and its own ancestors only.
Made for mixing a language model with other rankers, which need its opinion on their candidates, not on its own.
"""

import torch
from torch import Tensor, nn

from refinepoi.decoding.branches import evaluating
from refinepoi.decoding.head import head_of
from refinepoi.decoding.recomputed import branches_of
from refinepoi.decoding.trie import Trie


def score_items(model: nn.Module, trie: Trie, input_ids: Tensor, attention_mask: Tensor, pois: Tensor) -> Tensor:
    """Log-likelihood float32 [B, C] of the places `pois` int64 [B, C] as the first of an answer.

    pois: rows of `Trie.of`'s catalogue; -1 (no candidate) scores -inf. Places that share an ID have its likelihood.
    input_ids, attention_mask: int64 [B, P], padded on the left. Raises FloatingPointError where scores are not finite.
    """
    path = trie.path[trie.poi_leaf[pois.clamp(min=0)]]
    with evaluating(model):
        branches = branches_of(model, input_ids, attention_mask, room=0)
        hidden, fed = branches.prompt_hidden[:, None], torch.zeros_like(pois[:, :1])
        if trie.levels > 1:
            nodes = _distinct(path[:, :, 1:-1].flatten(1))
            after = branches.extend(trie.token[nodes], trie.depth(nodes) - 1, branches.mask(_ancestors(trie, nodes)))
            hidden, fed = torch.cat([hidden, after], 1), torch.cat([fed, nodes], 1)
        child, real = trie.all_children(fed, max(trie.widths))
        scores = head_of(model, trie.vocabulary)(hidden).gather(-1, trie.slot[child])
        logp = torch.log_softmax(scores.masked_fill(~real, -torch.inf), dim=-1)
    if bool((logp.isnan() & real).any()):
        raise FloatingPointError("the model's scores are not finite: training diverged or weights are damaged")
    total = torch.zeros(pois.shape, device=pois.device)
    for level in range(trie.levels):
        parent, node = path[:, :, level], path[:, :, level + 1]
        at = torch.searchsorted(fed, parent.contiguous()) * logp.shape[-1] + node - trie.first_child[parent]
        total += logp.flatten(1).gather(1, at)
    return total.masked_fill(pois < 0, -torch.inf)


def _distinct(nodes: Tensor) -> Tensor:
    """Each row's different values, rising, [B, W]; rows with fewer repeat their largest."""
    nodes = nodes.sort(dim=1).values
    place = nn.functional.pad(nodes.diff(dim=1) != 0, (1, 0)).cumsum(1)
    width = int(place.max()) + 1
    return nodes[:, -1:].repeat(1, width).scatter(1, place, nodes)


def _ancestors(trie: Trie, nodes: Tensor) -> Tensor:
    """bool [B, W, W]: which of the row's `nodes` [B, W] each one sees: itself and what is above it, each once."""
    visible, above = torch.zeros((*nodes.shape, nodes.shape[1]), dtype=torch.bool, device=nodes.device), nodes
    for _ in range(trie.levels - 1):
        visible |= above[:, :, None] == nodes[:, None, :]
        above = trie.parent(above)
    first = nn.functional.pad(nodes.diff(dim=1) != 0, (1, 0), value=True)
    return visible & first[:, None, :]
