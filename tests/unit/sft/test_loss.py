import numpy as np
import pytest
import torch

from refinepoi.model.load import build
from refinepoi.sft.data import Collator, Examples
from refinepoi.sft.loss import answer_loss
from refinepoi.sft.trainer import Parts


@pytest.fixture(scope="module")
def model(world):
    return build(world.model, world.prompts, world.semantic_ids).model


def examples() -> Examples:
    draw = np.random.default_rng(2)
    prompts = [draw.integers(0, 13, n).tolist() for n in (3, 9, 1, 5)]
    answers = [draw.integers(0, 13, n).tolist() for n in (4, 2, 4, 3)]
    return Examples(prompts, answers, [draw.random(len(answer)).tolist() for answer in answers])


def by_hand(model, some: Examples) -> float:
    """One example at a time, without padding, over all positions."""
    total = 0.0
    with torch.no_grad():
        for prompt, answer, weights in zip(some.prompts, some.answers, some.weights, strict=True):
            logp = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(-1)
            for place, (token, weight) in enumerate(zip(answer, weights, strict=True)):
                total -= weight * float(logp[len(prompt) + place - 1, token])
    return total / sum(map(sum, some.weights))


def test_equals_one_example_at_a_time(model):
    some = examples()
    collate = Collator(some, pad=0)
    rows = np.arange(4)
    loss = answer_loss(model, collate(rows, collate.norm(rows)))
    assert float(loss.detach()) == pytest.approx(by_hand(model, some), abs=1e-5)


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_parts_of_a_batch_add_up_to_the_batch(model, most):
    some = examples()
    parts = Parts([np.arange(4)], Collator(some, pad=0), most)
    losses = [float(answer_loss(model, parts[i]).detach()) for i in range(len(parts))]
    assert sum(losses) == pytest.approx(by_hand(model, some), abs=1e-5)
    assert max(len(parts[i]["input_ids"]) for i in range(len(parts))) <= most


def test_tokens_without_weight_are_not_learned(model):
    some = examples()
    some.weights[0][:] = [0.0] * 4
    collate = Collator(some, pad=0)
    changed = Examples(some.prompts, [[t + 1 for t in some.answers[0]], *some.answers[1:]], some.weights)
    rows = np.array([0, 1])
    losses = [float(answer_loss(model, Collator(e, 0)(rows, collate.norm(rows))).detach()) for e in (some, changed)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
