"""Many given continuations of one prompt in a single forward pass that computes the prompt once. Differentiable.

`[prompt | branch 1 | branch 2 | ...]` is one sequence; a mask lets a branch see the prompt and itself only, and each
branch counts its positions from the prompt's end. The result equals one forward pass for each branch (a test says so),
at the cost of P + G * T tokens instead of G * (P + T). Gradients reach the prompt through every branch.
"""

import torch
from torch import Tensor, nn

from refinepoi.decoding.head import causal_model
from refinepoi.decoding.padding import additive, positions_of
from refinepoi.decoding.recomputed import hidden_of, takes_branches


def packed_hidden(model: nn.Module, input_ids: Tensor, attention_mask: Tensor, branches: Tensor) -> Tensor:
    """Hidden states [B, G, T, D]: the one at t is what predicts token t of the branch.

    input_ids, attention_mask: int64 [B, P], prompts padded on the left. branches: int64 [B, G, T], all of one length.
    """
    batch, group, steps = branches.shape
    prompt_width, fed = input_ids.shape[1], steps - 1  # nothing is predicted from a branch's last token
    backbone = causal_model(model).base_model
    if not takes_branches(model, prompt_width + group * fed):
        return _one_by_one(backbone, input_ids, attention_mask.bool(), branches)
    after = attention_mask.sum(-1, keepdim=True) + torch.arange(fed, device=input_ids.device).repeat(group)
    hidden = backbone(
        input_ids=torch.cat([input_ids, branches[..., :fed].flatten(1)], dim=1),
        attention_mask=additive(_visible(attention_mask.bool(), group, fed), _dtype(backbone)),
        position_ids=torch.cat([positions_of(attention_mask), after], dim=1),
        use_cache=False,
    ).last_hidden_state
    first = hidden[:, None, prompt_width - 1 : prompt_width].expand(-1, group, -1, -1)
    return torch.cat([first, hidden[:, prompt_width:].view(batch, group, fed, hidden.shape[-1])], dim=2)


def _one_by_one(backbone: nn.Module, input_ids: Tensor, real: Tensor, branches: Tensor) -> Tensor:
    """The same for models that cannot do branches: each as a sequence of its own."""
    batch, group, steps = branches.shape
    rows = [torch.cat([input_ids[n, real[n]], branches[n, g, :-1]]) for n in range(batch) for g in range(group)]
    hidden = torch.stack([states[-steps:] for states in hidden_of(backbone, rows)])
    return hidden.view(batch, group, steps, -1)


def _visible(prompt: Tensor, group: int, fed: int) -> Tensor:
    """bool [B, S, S] with S = P + group * fed: who sees whom. prompt: bool [B, P]."""
    width, device = prompt.shape[1], prompt.device
    ones = torch.ones(max(width, fed), max(width, fed), dtype=torch.bool, device=device).tril()
    own = torch.block_diag(*[ones[:fed, :fed]] * group).bool()
    visible = torch.zeros(width + len(own), width + len(own), dtype=torch.bool, device=device)
    visible[:width, :width] = ones[:width, :width]
    visible[width:, :width] = True
    visible[width:, width:] = own
    real = nn.functional.pad(prompt, (0, len(own)), value=True)
    return visible & real[:, None, :]


def _dtype(backbone: nn.Module) -> torch.dtype:
    if torch.is_autocast_enabled(next(backbone.parameters()).device.type):
        return torch.get_autocast_dtype(next(backbone.parameters()).device.type)
    return next(backbone.parameters()).dtype
