"""Linear layers on the CPU through oneDNN instead of MKL: the same float32 product, up to twice as fast.

torch sends float32 products to MKL, which keeps to AVX2 on processors that are not Intel's; oneDNN uses all the
processor has. It is reached by the operator that torch.compile emits for linear layers. Where that is not there, on
other devices, in other precisions and under autocast, everything is as torch does it.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

SMALL = 1 << 21  # multiplications; below, reordering the weights costs more than it saves


class Linear(nn.Linear):
    """As nn.Linear, by `product`."""

    def forward(self, input: Tensor) -> Tensor:
        return product(input, self.weight, self.bias)


def quicken(model: nn.Module) -> None:
    """Turn the plain linear layers of `model` into ours, in place. Parameters, names and results stay."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [.., I] times weight [O, I] transposed, plus bias [O]: [.., O]. Differentiable once."""
    if (
        x.device.type != "cpu"
        or x.dtype != torch.float32
        or weight.dtype != torch.float32
        or x.numel() * len(weight) < SMALL
        or torch.is_autocast_enabled("cpu")
        or not has_onednn()
    ):
        return nn.functional.linear(x, weight, bias)
    if not torch.is_grad_enabled():
        return _onednn(x, weight, bias)
    result: Tensor = _Product.apply(x, weight, bias)
    return result


@cache
def has_onednn() -> bool:
    """Whether torch's compiled linear layer is there, with weights as they are and reordered, and computes right."""
    x, weight, bias = torch.ones(2, 3), torch.eye(4, 3), torch.arange(4.0)
    try:
        found = [_onednn(x, w, bias) for w in (weight, torch.ops.mkldnn._reorder_linear_weight(weight, 2))]
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return all(torch.equal(result, torch.addmm(bias, x, weight.T)) for result in found)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _onednn(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        to_x, to_weight, to_bias = ctx.needs_input_grad
        rows = grad.flatten(0, -2)
        return (
            _onednn(grad, weight.T, None) if to_x else None,
            _onednn(rows.T, x.flatten(0, -2).T, None) if to_weight else None,
            rows.sum(0) if to_bias else None,
        )


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return result
