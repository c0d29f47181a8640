import numpy as np
import torch
from torch.nn import functional

from refinepoi.encoder.loss import alignment, info_nce, same_group, uniformity


def unit(rows: int, width: int, seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_info_nce_is_the_formula() -> None:
    one, other = unit(6, 4, 0), unit(6, 4, 1)
    masked = torch.rand(6, 6, generator=torch.Generator().manual_seed(2)) < 0.3
    score = np.exp((one @ other.T).numpy() / 0.2)
    total = 0.0
    for i in range(6):
        row = sum(score[i, j] for j in range(6) if i == j or not masked[i, j])
        column = sum(score[j, i] for j in range(6) if i == j or not masked[j, i])
        total += -np.log(score[i, i] / row) / 2 - np.log(score[i, i] / column) / 2
    before = masked.clone()
    np.testing.assert_allclose(float(info_nce(one, other, masked, 0.2)), total / 6, rtol=1e-5)
    assert torch.equal(masked, before)


def test_a_masked_false_negative_costs_nothing() -> None:
    one = torch.eye(3)
    other = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0, 0, 1.0]])  # row 1's partner equals row 0: a false negative
    masked = torch.zeros(3, 3, dtype=torch.bool)
    plain = float(info_nce(one, other, masked, 0.1))
    masked[0, 1] = True
    assert float(info_nce(one, other, masked, 0.1)) < plain - 0.1


def test_same_group_is_the_formula_and_skips_rows_without_a_group() -> None:
    one, other = unit(5, 4, 3), unit(5, 4, 4)
    groups = torch.tensor([0, 1, 0, -1, 1])
    logits = (one @ other.T).numpy() / 0.5
    total = 0.0
    for i in (0, 1, 2, 4):
        same = [j for j in range(5) if groups[j] == groups[i]]
        total += np.mean([np.log(np.exp(logits[i]).sum()) - logits[i, j] for j in same])
    np.testing.assert_allclose(float(same_group(one, other, groups, 0.5)), total / 4, rtol=1e-5)
    assert float(same_group(one, other, torch.full((5,), -1), 0.5)) == 0


def test_alignment_and_uniformity_by_loops() -> None:
    one, other = unit(7, 3, 5), unit(7, 3, 6)
    distances = ((one - other) ** 2).sum(1)
    np.testing.assert_allclose(float(alignment(one, other)), float(distances.mean()), rtol=1e-6)
    pairs = [torch.exp(-2 * ((one[i] - one[j]) ** 2).sum()) for i in range(7) for j in range(7) if i != j]
    np.testing.assert_allclose(float(uniformity(one)), float(torch.log(torch.stack(pairs).mean())), rtol=1e-5)
    assert abs(float(uniformity(torch.ones(4, 1)))) < 1e-6  # all in one point
