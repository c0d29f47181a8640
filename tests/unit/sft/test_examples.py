import numpy as np
import polars as pl
import pytest

from refinepoi.artifacts.prompts import Prompts
from refinepoi.core.errors import DataError
from refinepoi.model.load import build
from refinepoi.prompt.parse import parse_answer
from refinepoi.sft.examples import answer_examples, list_examples, stream_examples, train_table


@pytest.fixture(scope="module")
def tokenizer(world):
    return build(world.model, world.prompts, world.semantic_ids).tokenizer


def test_answers_end_and_weigh_the_first_item(world, tokenizer):
    some = answer_examples(
        world.prompts, world.semantic_ids, tokenizer, world.changed(answers={"absent_target": "keep"}).answers, 0
    )
    table = train_table(world.prompts)
    assert len(some) == table.height == 64
    assert tokenizer.decode(some.prompts[3]).replace(" ", "") == table["prompt"][3].replace(" ", "")
    assert tokenizer.decode(some.answers[3]).replace(" ", "") == table["answer"][3] + "<eos>"
    assert some.weights[3] == [2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_answers_that_the_prompt_does_not_show_are_left_out(world, tokenizer):
    some = answer_examples(world.prompts, world.semantic_ids, tokenizer, world.spec.answers, 0)
    kept = [a.split(">")[0] + ">" + a.split(">")[1] + ">" in p for p, a in
            train_table(world.prompts).select("prompt", "answer").rows()]  # fmt: skip
    assert 0 < sum(kept) < 64
    assert len(some) == sum(kept)


def test_lists_hold_the_target_at_a_random_place_and_learn_it_alone(world, tokenizer):
    table = train_table(world.prompts)
    draw = np.random.default_rng(0)
    own = np.array([draw.permutation(12)[:3] for _ in range(table.height)])
    some = list_examples(
        world.prompts, world.semantic_ids, tokenizer, world.changed(lists={"epochs": 40}).lists, own, seed=0
    )
    assert len(some) == 40 * table.height
    places = []
    for number in range(len(some)):
        row = number % table.height
        items = parse_answer(tokenizer.decode(some.answers[number][:-1]), world.semantic_ids).items
        weights = some.weights[number]
        place = next(i for i, w in enumerate(weights) if w) // 2
        assert items[place] == table["target"][row]
        assert len(set(items)) == len(items) == 3
        assert [i for i in items if i != table["target"][row]] == [i for i in own[row] if i != table["target"][row]][:2]
        assert weights == [float(j // 2 == place) for j in range(7)]
        places.append(place)
    share = np.bincount(places, minlength=3) / len(places)
    assert share == pytest.approx([0.5 + 0.5 / 3, 0.5 / 3, 0.5 / 3], abs=0.03)


def test_streams_learn_ids_or_everything(world, tokenizer):
    text = pl.DataFrame({"text": [f"low {world.semantic_ids.texts[0]} high {world.semantic_ids.texts[1]}"]})
    prompts = Prompts(world.prompts.table, text, world.prompts.words, world.prompts.id_tokens, 3, {})
    ids = stream_examples(prompts, tokenizer, world.changed(streams={"supervise": "ids"}).streams)
    everything = stream_examples(prompts, tokenizer, world.changed(streams={"supervise": "all"}).streams)
    assert tokenizer.decode(ids.prompts[0]) == "low"
    assert ids.weights == [[1.0, 1.0, 0.0, 1.0, 1.0]]
    assert everything.weights == [[1.0] * 5]


def test_no_train_queries_are_refused(world, tokenizer):
    none = Prompts(
        world.prompts.table.filter(pl.col("split") != 0), world.prompts.streams, world.prompts.words,
        world.prompts.id_tokens, 3, {},
    )  # fmt: skip
    with pytest.raises(DataError, match="no train queries"):
        answer_examples(none, world.semantic_ids, tokenizer, world.spec.answers, 0)
