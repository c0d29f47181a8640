"""The gradient is that of the policy that samples: against brute force over every list of a toy catalogue."""

import itertools

import numpy as np
import polars as pl
import pytest
import torch
from options import option
from torch import Tensor
from toy_policy import IDS, MASK, PROMPT, brute_force, toy_model

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.decoding.trie import Trie
from refinepoi.grpo.credit import item_advantages, prefix_rewards
from refinepoi.grpo.trainer import list_logps
from refinepoi.reward.combine import Rewards
from refinepoi.reward.places import Places
from refinepoi.reward.spec import RewardSpec


def test_expected_reward_and_its_gradient_equal_brute_force() -> None:
    model, trie, temperature = toy_model(), Trie.of(IDS), 0.8
    orders = list(itertools.permutations(range(4), 2))
    reward = torch.tensor([[1.0 if o[0] == row else 0.5 if o[1] == row else 0.0 for o in orders] for row in (0, 2)])

    truth = torch.stack(
        [torch.stack([brute_force(model, row, order, temperature) for order in orders]) for row in range(2)]
    )
    torch.testing.assert_close(truth.exp().sum(1), torch.ones(2))
    (truth.exp() * reward).sum().backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()

    lists = torch.tensor(np.stack([IDS[list(order)].ravel() for order in orders])).repeat(2, 1)
    rows = torch.cat([PROMPT.repeat_interleave(len(orders), 0), lists], 1)
    mask = torch.cat([MASK.repeat_interleave(len(orders), 0), torch.ones_like(lists)], 1)
    logps, entropy = list_logps(model, trie, rows, mask, 4, temperature)
    ours = logps.sum(1).view(2, -1)
    torch.testing.assert_close(ours, truth, atol=1e-5, rtol=0)
    # The policy gradient: sum over lists of p(list) * reward * grad log p(list)
    (ours.detach().exp() * reward * ours).sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], atol=1e-5, rtol=1e-4)
    assert bool((entropy >= 0).all())


def test_rows_of_one_prompt_share_it_and_uneven_groups_still_work() -> None:
    model, trie = toy_model(), Trie.of(IDS)
    lists = torch.tensor(np.stack([IDS[[a, b]].ravel() for a, b in ((0, 1), (1, 0), (2, 3), (3, 2), (0, 3), (3, 1))]))
    which = torch.tensor([0, 0, 1, 1, 1, 1])
    rows, mask = torch.cat([PROMPT[which], lists], 1), torch.cat([MASK[which], torch.ones_like(lists)], 1)
    together, _ = list_logps(model, trie, rows, mask, 4, 1.0)
    for row in range(6):
        alone, _ = list_logps(model, trie, rows[row : row + 1], mask[row : row + 1], 4, 1.0)
        torch.testing.assert_close(together[row], alone[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("novelty", [0.0, 1.0])  # which pays for what stands behind the target, too
def test_credit_of_items_has_the_gradient_of_the_whole_list(novelty: float) -> None:
    """Every list of one prompt as a group, weighted by its probability: the expectation is exact."""
    model, trie = toy_model(), Trie.of(IDS)
    orders = np.array(list(itertools.permutations(range(4), 3)))
    ids = SemanticIds(np.array([[0, 0], [0, 1], [1, 0], [2, 2]], np.int32), ((2, 2), (2, 2)), "nearest_free")
    table = pl.DataFrame({"category": ["a", "b", "a", "b"], "latitude": [0.0] * 4, "longitude": [0.0, 0.1, 0.2, 0.3]})
    values = option("reward", "paper")
    values["weights"] |= {"distance": 1.0, "novelty": novelty, "penalty": 0.5}
    spec = RewardSpec(**values)
    rewards = Rewards(spec, ids, Places(table, np.array([1, 2, 3, 4])), 3, False)
    target = np.full(len(orders), 3)
    prefixes = prefix_rewards(rewards, orders, target)
    texts = ["".join(ids.texts[p] for p in order) for order in orders]
    whole = sum(
        weight * np.array(function(completions=texts, target=target.tolist()))
        for weight, function in zip(rewards.weights, rewards.functions(), strict=True)
    )
    np.testing.assert_allclose(prefixes[:, -1], whole)
    assert (prefixes[:, 0] == 0).all()

    rows = torch.cat([PROMPT[:1].expand(len(orders), -1), torch.tensor(IDS[orders].reshape(len(orders), -1))], 1)
    mask = torch.cat([MASK[:1].expand(len(orders), -1), torch.ones(len(orders), 6, dtype=torch.long)], 1)

    def gradient(advantage: Tensor) -> dict[str, Tensor]:
        model.zero_grad()
        logps, _ = list_logps(model, trie, rows, mask, 6, 1.0)
        (logps.detach().sum(1, keepdim=True).exp() * advantage * logps).sum().backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    found = np.cumsum(orders == 3, axis=1) - (orders == 3) > 0
    by_item = item_advantages(prefixes, found, len(orders), "none")
    assert (np.abs(by_item[found]).max() < 1e-12) == (not novelty) and (by_item[~found] != 0).any()
    by_list = gradient(torch.from_numpy(whole)[:, None].float())
    for name, expected in by_list.items():
        torch.testing.assert_close(
            gradient(torch.from_numpy(by_item).repeat_interleave(2, 1).float())[name], expected, atol=2e-5, rtol=1e-3
        )


def test_item_advantages_by_hand() -> None:
    # two lists of two items; rewards of 0, 1, 2 items; the first finds the target at once
    prefixes = np.array([[0.0, 2.0, 2.0], [0.0, 0.0, 1.0]])
    found = np.array([[False, True], [False, False]])
    plain = item_advantages(prefixes, found, 2, "none")
    np.testing.assert_allclose(plain, [[0.5, 0.0], [-0.5, 0.0]])  # alone at item 2, the second list is its own mean
    spread = np.std([2.0, 1.0], ddof=1) + 1e-4
    np.testing.assert_allclose(item_advantages(prefixes, found, 2, "group"), plain / spread)
    equal = np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    assert (item_advantages(equal, found, 2, "group") == 0).all()


def gradients_by_item() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All lists of two places: lists [12, 2], probabilities [12], d log p(item | before) [12, 2, params]."""
    model, trie = toy_model(), Trie.of(IDS)
    orders = np.array(list(itertools.permutations(range(4), 2)))
    rows = torch.cat([PROMPT[:1].expand(len(orders), -1), torch.tensor(IDS[orders].reshape(len(orders), -1))], 1)
    mask = torch.cat([MASK[:1].expand(len(orders), -1), torch.ones(len(orders), 4, dtype=torch.long)], 1)
    logps, _ = list_logps(model, trie, rows, mask, 4, 1.0)
    by_item = logps.view(len(orders), 2, 2).sum(-1)
    parameters = [p for p in model.parameters() if p.requires_grad]
    slopes = [
        torch.cat([g.flatten() for g in torch.autograd.grad(one, parameters, retain_graph=True)])
        for one in by_item.flatten()
    ]
    probability = logps.sum(1).exp().detach().double().numpy()
    return orders, probability, torch.stack(slopes).double().numpy().reshape(len(orders), 2, -1)


def test_groups_of_two_by_enumeration() -> None:
    """docs/method.md section 8: over all pairs of samples the mean estimate is the gradient times (G - 1) / G with
    whole lists, and item by item times c_j = E[m / (m + 1)], m the other lists of the group still in the same state."""
    orders, p, slope = gradients_by_item()
    target, k = 3, 2
    worth = (orders == target) @ np.array([1.0, 0.5])
    prefixes = np.stack([np.zeros(12), (orders[:, 0] == target) * 1.0, worth], 1)
    found = np.stack([np.zeros(12, bool), orders[:, 0] == target], 1)
    truth = np.einsum("n,n,njp->p", p, worth, slope)  # the gradient of the expected reward

    by_list, by_item = np.zeros_like(truth), np.zeros_like(truth)
    for one, other in itertools.product(range(12), repeat=2):
        pair, weight = [one, other], p[one] * p[other] / 2
        advantage = worth[pair] - worth[pair].mean()
        by_list += weight * np.einsum("n,njp->p", advantage, slope[pair])
        credited = item_advantages(prefixes[pair], found[pair], 2, "none")
        by_item += weight * np.einsum("nj,njp->p", credited, slope[pair])
    np.testing.assert_allclose(by_list, truth / 2, atol=1e-6)

    to_go = prefixes[:, -1:] - prefixes[:, :-1]
    scale = [0.5, p[~found[:, 1]].sum() / 2]  # m is 1 if the other list is in the same state, else 0
    expected = sum(scale[j] * np.einsum("n,n,np->p", p * ~found[:, j], to_go[:, j], slope[:, j]) for j in range(k))
    np.testing.assert_allclose(by_item, expected, atol=1e-6)
    cosine = by_item @ truth / np.linalg.norm(by_item) / np.linalg.norm(truth)
    assert 0.9 < cosine < 1 - 1e-6  # nearly the direction, not quite


def test_scoring_over_the_whole_vocabulary_would_be_another_gradient() -> None:
    model, trie = toy_model(), Trie.of(IDS)
    orders, p, slope = gradients_by_item()
    worth = (orders == 3) @ np.array([1.0, 0.5])
    truth = np.einsum("n,n,njp->p", p, worth, slope)
    rows = torch.cat([PROMPT[:1].expand(12, -1), torch.tensor(IDS[orders].reshape(12, -1))], 1)
    mask = torch.cat([MASK[:1].expand(12, -1), torch.ones(12, 4, dtype=torch.long)], 1)
    scores = model(input_ids=rows, attention_mask=mask).logits[:, -5:-1]
    full = torch.log_softmax(scores, -1).gather(-1, rows[:, -4:, None])[..., 0].sum(1)
    (torch.tensor(p * worth) * full).sum().backward()
    wrong = torch.cat([q.grad.flatten() for q in model.parameters() if q.grad is not None]).double().numpy()
    assert trie.places == 4 and np.linalg.norm(wrong - truth) > 0.2 * np.linalg.norm(truth)
