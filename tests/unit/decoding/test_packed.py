"""One packed pass against one plain pass for each branch: values and gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn


def scores_of(model: nn.Module, hidden: Tensor, branches: Tensor) -> Tensor:
    """Log-probability of each branch token [B, G, T]."""
    logits = model.get_output_embeddings()(hidden)  # type: ignore[operator]
    return torch.log_softmax(logits, -1).gather(-1, branches[..., None])[..., 0]


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
@pytest.mark.parametrize(("group", "steps"), [(3, 4), (1, 4), (4, 1)])
def test_equals_a_pass_for_each_branch(kind: str, group: int, steps: int, random_model: Any, left_padded: Any) -> None:
    from refinepoi.decoding.packed import packed_hidden

    model = random_model(kind)
    prompt, mask = left_padded([9, 4, 1])
    branches = torch.randint(1, 60, (3, group, steps), generator=torch.Generator().manual_seed(1))
    weight = torch.randn(3, group, steps, generator=torch.Generator().manual_seed(2))

    packed = scores_of(model, packed_hidden(model, prompt, mask, branches), branches)
    (packed * weight).sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()

    rows = torch.cat([prompt.repeat_interleave(group, 0), branches.flatten(0, 1)], 1)
    ones = torch.cat([mask.repeat_interleave(group, 0), torch.ones_like(branches.flatten(0, 1))], 1)
    hidden = model.base_model(input_ids=rows, attention_mask=ones).last_hidden_state[:, prompt.shape[1] - 1 : -1]
    plain = scores_of(model, hidden.view(3, group, steps, -1), branches)
    (plain * weight).sum().backward()

    torch.testing.assert_close(packed, plain, atol=2e-5, rtol=0)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, atol=2e-4, rtol=1e-4)
