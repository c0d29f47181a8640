import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refinepoi.sft.data import Collator, Examples, plan_batches

EXAMPLES = Examples(
    prompts=[[5, 6, 7], [8]],
    answers=[[1, 2], [3, 4, 9]],
    weights=[[2.0, 1.0], [1.0, 0.0, 0.5]],
)


def test_a_part_by_hand():
    part = Collator(EXAMPLES, pad=0)(np.array([0, 1]), norm=4.5)
    assert part["input_ids"].tolist() == [[5, 6, 7, 1], [0, 8, 3, 4]]
    assert part["attention_mask"].tolist() == [[1, 1, 1, 1], [0, 1, 1, 1]]
    assert part["position_ids"].tolist() == [[0, 1, 2, 3], [0, 0, 1, 2]]
    assert part["logits_to_keep"] == 3
    assert part["answers"].tolist() == [[0, 1, 2], [3, 4, 9]]
    assert part["weights"].tolist() == [[0.0, 2.0, 1.0], [1.0, 0.0, 0.5]]
    assert part["norm"] == torch.tensor(4.5)
    assert Collator(EXAMPLES, pad=0).norm(np.array([0, 1])) == 4.5


def test_lengths_count_prompt_and_answer():
    assert EXAMPLES.lengths().tolist() == [5, 4]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(2, 300), min_size=1, max_size=200), st.integers(1, 40), st.integers(1, 3))
def test_every_epoch_reads_each_example_at_most_once_in_whole_batches(lengths, size, epochs):
    plan = plan_batches(np.array(lengths), size, epochs, seed=3, purpose="x")
    batch = min(size, len(lengths))
    assert {len(rows) for rows in plan} == {batch}
    steps = len(lengths) // batch
    assert len(plan) == steps * epochs
    for epoch in range(epochs):
        read = np.concatenate(plan[epoch * steps : (epoch + 1) * steps])
        assert len(set(read.tolist())) == len(read) == steps * batch


def test_batches_hold_neighbours_in_length_in_random_order():
    lengths = np.random.default_rng(0).integers(10, 250, 640)
    plan = plan_batches(lengths, 32, 2, seed=0, purpose="x")
    padded = sum(lengths[rows].max() * len(rows) for rows in plan) / sum(lengths[rows].sum() for rows in plan)
    assert padded < 1.06
    assert not np.array_equal(plan[0], plan[20])
    longest = [int(lengths[rows].max()) for rows in plan]
    assert longest != sorted(longest) and longest != sorted(longest, reverse=True)


def test_the_plan_depends_on_seed_and_purpose_alone():
    lengths = np.arange(100)

    def plan(seed, purpose):
        return np.concatenate(plan_batches(lengths, 10, 1, seed, purpose)).tolist()

    assert plan(0, "a") == plan(0, "a")
    assert plan(0, "a") != plan(1, "a")
    assert plan(0, "a") != plan(0, "b")
