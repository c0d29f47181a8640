"""InfoNCE with false negatives masked, and alignment and uniformity (docs/method.md section 2).

    loss_i = -log exp(a_i.b_i / tau) / sum_j exp(a_i.b_j / tau),  j = i or j no known partner of i; both directions
Alignment and uniformity as of Wang and Isola, ICML 2020: lower is better for both.
"""

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(one: Tensor, other: Tensor, masked: Tensor, temperature: float) -> Tensor:
    """Mean over both directions. one, other: unit vectors [B, D]; masked: bool [B, B], no negatives."""
    logits = one @ other.T / temperature
    masked = masked.clone().fill_diagonal_(False)
    logits = logits.masked_fill(masked, float("-inf"))
    target = torch.arange(len(one), device=one.device)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


def same_group(one: Tensor, other: Tensor, groups: Tensor, temperature: float) -> Tensor:
    """Supervised contrast (Khosla et al., 2020): the POIs of a row's group are its positives, the batch its rivals.

    one, other: two views [B, D]; groups: int64 [B], -1: in no group, such rows are left out.
    """
    logits = one @ other.T / temperature
    positive = ((groups[:, None] == groups[None, :]) & (groups >= 0)[:, None]).to(logits.dtype)
    rows = positive.sum(1)
    likelihood = (positive * functional.log_softmax(logits, dim=1)).sum(1) / rows.clamp(min=1)
    return -likelihood.sum() / (rows > 0).sum().clamp(min=1)


def alignment(one: Tensor, other: Tensor) -> Tensor:
    """Mean squared distance of partners, unit vectors [n, D] each: 0 where partners coincide."""
    return (one - other).square().sum(1).mean()


def uniformity(vectors: Tensor) -> Tensor:
    """log of the mean of exp(-2 |x - y|^2) over distinct rows of [n, D], n >= 2; near -4 where they fill the sphere."""
    similarity = vectors @ vectors.T
    rows = len(vectors)
    potential = torch.exp(4 * (similarity - 1))  # |x - y|^2 = 2 - 2 x.y
    return torch.log((potential.sum() - potential.diagonal().sum()) / (rows * (rows - 1)))
