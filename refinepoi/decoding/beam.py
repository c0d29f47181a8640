"""The k most likely single places, exactly: best-first search down the trie in batches over one shared prompt cache.

A place's likelihood is the product of its tokens' probabilities over the allowed children. A prefix is never less
likely than what lies below it, so a search that opens the `width` best prefixes at a time may stop when no unopened
prefix beats the k-th best place found. Plain beams of width k, one pass a level, can miss places; this cannot. Plain
ones are here too (`exact=False`): their time does not depend on the scores; Hugging Face's constrained beams are these.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from refinepoi.core.errors import UserError
from refinepoi.decoding.branches import evaluating
from refinepoi.decoding.head import Head, head_of
from refinepoi.decoding.recomputed import branches_of
from refinepoi.decoding.trie import Trie


class Frontier(NamedTuple):
    """Prefixes not opened yet, [B, F]: log-likelihood, node, cache slot of the parent prefix (-1: the prompt)."""

    score: Tensor
    node: Tensor
    parent: Tensor


def beam_items(
    model: nn.Module,
    trie: Trie,
    input_ids: Tensor,
    attention_mask: Tensor,
    k: int,
    *,
    width: int | None = None,
    exact: bool = True,
) -> tuple[Tensor, Tensor]:
    """The best k places for each prompt: pois int64 [B, k], best first, and log-likelihoods float32 [B, k].

    width: prefixes opened at a time (default k). With `exact` it changes the time taken, not the answer; without, it is
    the number of beams (at least k), all of one level, and places under other prefixes are not looked at.
    """
    trie.require_places(k)
    batch, width = len(input_ids), width or k
    if not exact and width < k:
        raise UserError(f"{width} beams cannot give {k} places: at least {k} are needed")
    with evaluating(model):
        branches = branches_of(model, input_ids, attention_mask, room=2 * width * (trie.levels - 1))
        head = head_of(model, trie.vocabulary)
        root = torch.zeros((batch, 1), dtype=torch.long, device=input_ids.device)
        opened = _open(head, trie, root, root.float(), root - 1, branches.prompt_hidden[:, None])
        best_score, best_leaf, frontier = _sort_in(trie, opened, k, None)
        seen = torch.zeros((batch, 0, 0), dtype=torch.bool, device=input_ids.device)
        passes = 0
        while _beats(frontier, best_score) if exact else passes < trie.levels - 1:
            passes += 1
            picked = frontier.score.topk(min(width, frontier.score.shape[1]), dim=1)
            score, node = picked.values, frontier.node.gather(1, picked.indices)
            parent = frontier.parent.gather(1, picked.indices)
            seen = _append(seen, parent)
            slots = torch.arange(branches.used, branches.used + node.shape[1], device=node.device).expand_as(node)
            tokens = trie.token[node]
            hidden = branches.extend(tokens, trie.depth(node) - 1, branches.mask(seen[:, -node.shape[1] :]))
            left = frontier.score.scatter(1, picked.indices, -torch.inf) if exact else frontier.score - torch.inf
            opened = _open(head, trie, node, score, slots, hidden)
            kept = Frontier(left, frontier.node, frontier.parent)
            best_score, best_leaf, frontier = _sort_in(trie, opened, k, (best_score, best_leaf, kept))
    return trie.leaf_poi[best_leaf], best_score


def _beats(frontier: Frontier, best_score: Tensor) -> bool:
    """Whether any prefix may still lead to one of the k best places."""
    return bool((frontier.score.amax(1) > best_score[:, -1]).any())


def _open(head: Head, trie: Trie, node: Tensor, score: Tensor, slot: Tensor, hidden: Tensor) -> Frontier:
    """The children of `node` [B, W] with their log-likelihoods, as one frontier [B, W * C]. Closed ones score -inf."""
    child, real = trie.all_children(node, max(trie.widths))
    scores = head(hidden).gather(-1, trie.slot[child])
    logp = torch.log_softmax(scores.masked_fill(~real, -torch.inf), dim=-1)
    if bool((logp.isnan() & real).any()):
        raise FloatingPointError("the model's scores are not finite: training diverged or weights are damaged")
    total = (score[..., None] + logp).masked_fill(~real, -torch.inf)
    return Frontier(total.flatten(1), child.flatten(1), slot[..., None].expand_as(child).flatten(1))


def _sort_in(
    trie: Trie, opened: Frontier, k: int, old: tuple[Tensor, Tensor, Frontier] | None
) -> tuple[Tensor, Tensor, Frontier]:
    """Put new children where they belong: the k best leaves [B, k] (score, leaf), and the prefixes still to open."""
    is_leaf = opened.node >= trie.first_leaf
    score = opened.score.masked_fill(~is_leaf, -torch.inf)
    leaf = (opened.node - trie.first_leaf).clamp(min=0)
    frontier = opened._replace(score=opened.score.masked_fill(is_leaf, -torch.inf))
    if old is not None:
        score, leaf = torch.cat([old[0], score], 1), torch.cat([old[1], leaf], 1)
        frontier = Frontier(*(torch.cat(pair, 1) for pair in zip(old[2], frontier, strict=True)))
    missing = k - score.shape[1]
    if missing > 0:  # fewer children than k so far
        score = nn.functional.pad(score, (0, missing), value=-torch.inf)
        leaf = nn.functional.pad(leaf, (0, missing))
    top = score.topk(k, dim=1)
    return top.values, leaf.gather(1, top.indices), frontier


def _append(seen: Tensor, parent: Tensor) -> Tensor:
    """Grow the table [B, E, E] of which decoded slot sees which: each new one sees its parent's past, and itself."""
    batch, old, _ = seen.shape
    width = parent.shape[1]
    grown = torch.zeros((batch, old + width, old + width), dtype=torch.bool, device=seen.device)
    grown[:, :old, :old] = seen
    if old:
        past = seen.gather(1, parent.clamp(min=0)[..., None].expand(-1, -1, old))
        grown[:, old:, :old] = past & (parent >= 0)[..., None]
    grown[:, old:, old:] |= torch.eye(width, dtype=torch.bool, device=seen.device)
    return grown
