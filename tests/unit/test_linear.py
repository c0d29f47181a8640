"""The faster linear layer is the linear layer: values, gradients, names, and where it steps aside."""

import copy

import pytest
import torch
from torch import Tensor, nn

from refinepoi import linear
from refinepoi.linear import Linear, product, quicken


def draws(*shapes: tuple[int, ...]) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=draw) for shape in shapes]


def gradients(x: Tensor, weight: Tensor, bias: Tensor | None, grad: Tensor, run: object) -> list[Tensor]:
    leaves = [t.clone().requires_grad_() for t in (x, weight, bias) if t is not None]
    result = run(*leaves)  # type: ignore[operator]
    result.backward(grad.to(result.dtype))
    return [result.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("shape", [(3, 100, 96), (300, 96), (2, 3)])
def test_values_and_gradients_are_those_of_float64(shape: tuple[int, ...], with_bias: bool) -> None:
    x, weight, bias, grad = draws(shape, (80, shape[-1]), (80,), (*shape[:-1], 80))
    some = bias if with_bias else None
    ours = gradients(x, weight, some, grad, product)
    double = gradients(x.double(), weight.double(), None if some is None else some.double(), grad, nn.functional.linear)
    assert len(ours) == 3 + with_bias
    for a, b in zip(ours, double, strict=True):
        torch.testing.assert_close(a.double(), b, atol=2e-6 * float(b.abs().max()), rtol=0)


def test_large_products_go_through_onednn_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    if not linear.has_onednn():
        pytest.skip("this build of torch has no oneDNN linear layer")
    x, weight = draws((300, 96), (96, 96))
    weight.requires_grad_()
    assert "_Product" in product(x, weight).grad_fn.name()
    assert "_Product" not in product(x[:3], weight).grad_fn.name()
    assert "_Product" not in product(x.double(), weight.double()).grad_fn.name()
    with torch.autocast("cpu", torch.bfloat16):
        assert product(x, weight).dtype == torch.bfloat16
    monkeypatch.setattr(linear, "has_onednn", lambda: False)
    assert "_Product" not in product(x, weight).grad_fn.name()


def test_frozen_weights_get_no_gradient() -> None:
    x, weight = draws((300, 96), (96, 96))
    x.requires_grad_()
    product(x, weight).sum().backward()
    torch.testing.assert_close(x.grad, weight.sum(0).expand_as(x), atol=1e-4, rtol=0)
    assert weight.grad is None


def test_a_model_keeps_parameters_names_and_results() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 96, bias=False))
    plain, (x,) = copy.deepcopy(model), draws((300, 96))
    quicken(model)
    assert type(model[0]) is Linear and isinstance(model[2], nn.Linear)
    assert model.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(copy.deepcopy(model)(x), plain(x), atol=1e-5, rtol=0)
