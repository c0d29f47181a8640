"""The likeliest lists of each prompt as its group, by beam search, instead of samples (`sampler=beams`, after ReRe).

Beams compete over the first `items` places of a list; what follows is greedy. With `items=1` the G lists begin with the
G likeliest different places, ReRe's group of distinct items; with `items=k` they are the likeliest whole lists, which
mostly differ in their tails. Beams are not samples: docs/method.md section 8 says what that does to the gradient.
All beams of a prompt share its cache where the model can do so, as samples do (`decoding/recomputed.py`).
"""

import math

import torch
from torch import Tensor, nn

from refinepoi.core.errors import UserError
from refinepoi.decoding.branches import evaluating
from refinepoi.decoding.head import head_of
from refinepoi.decoding.lists import Lists
from refinepoi.decoding.recomputed import branches_of
from refinepoi.decoding.trie import Trie


def require_beams(trie: Trie, k: int, group: int, items: int) -> None:
    """There must be as many different beginnings of `items` places as beams."""
    beginnings = math.perm(trie.places, min(items, k))
    if beginnings < group:
        raise UserError(
            f"grpo.num_generations={group}, but lists can begin in {beginnings} ways with grpo.beam_items={items}: "
            "lower the one or raise the other"
        )


def beam_group(
    model: nn.Module,
    trie: Trie,
    input_ids: Tensor,
    attention_mask: Tensor,
    k: int,
    *,
    group: int,
    items: int,
    temperature: float,
) -> Lists:
    """`group` different lists for each prompt of `input_ids` int64 [B, P] (padded on the left), likeliest first.

    temperature: of the policy whose likelihood is meant. Shapes as in `decode_lists`: rows are grouped by prompt.
    """
    trie.require_places(k)
    batch, levels, steps, device = len(input_ids), trie.levels, k * trie.levels, input_ids.device
    rows = torch.arange(batch * group, device=device)
    score = torch.full((batch, group), -torch.inf, device=device)
    score[:, 0] = 0.0  # one beginning, the empty one
    used = torch.empty((batch * group, 0), dtype=torch.long, device=device)
    tokens, logprobs = torch.empty_like(used), torch.empty((batch * group, 0), device=device)
    node = torch.zeros(batch * group, dtype=torch.long, device=device)
    seen = torch.zeros((batch, group, 0), dtype=torch.bool, device=device)
    own = torch.eye(group, dtype=torch.bool, device=device).expand(batch, -1, -1)
    with evaluating(model):
        branches = branches_of(model, input_ids, attention_mask, room=group * (steps - 1))
        head = head_of(model, trie.vocabulary)
        hidden = branches.prompt_hidden.repeat_interleave(group, dim=0)
        for step in range(steps):
            level = step % levels
            node = node if level else torch.zeros_like(node)
            child, is_open = trie.open_children(node, used, level)
            scores = head(hidden).gather(1, trie.slot[child]) / temperature
            if bool(scores.isnan().any()):
                raise FloatingPointError("the model's scores are not finite: training diverged or weights are damaged")
            logp = torch.log_softmax(scores.masked_fill(~is_open, -torch.inf), dim=-1)
            if step < items * levels:
                total = (score[..., None] + logp.view(batch, group, -1)).flatten(1)
                score, pick = total.topk(group, dim=1)
                pick = torch.where(score.isinf(), pick[:, :1], pick)  # not as many yet: any, never to be chosen again
                source = (pick // child.shape[1] + torch.arange(batch, device=device)[:, None] * group).flatten()
                column = (pick % child.shape[1]).flatten()
            else:
                source, column = rows, logp.argmax(-1)
            node = child[source, column]
            tokens = torch.cat([tokens[source], trie.token[node][:, None]], dim=1)
            logprobs = torch.cat([logprobs[source], logp[source, column][:, None]], dim=1)
            used = used[source]
            if level == levels - 1:
                used = torch.cat([used, node[:, None] - trie.first_leaf], dim=1)
            if step < steps - 1:
                seen = torch.cat([seen.flatten(0, 1)[source].view(batch, group, -1), own], dim=2)
                mask = branches.mask(seen)
                hidden = branches.extend(tokens[:, -1].view(batch, group), step, mask).flatten(0, 1)
    return Lists(tokens, trie.leaf_poi[used], logprobs)
