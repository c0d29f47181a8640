from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from folders import model_folder
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

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
        world.prompts, world.semantic_ids, tokenizer, world.changed(answers={"absent_target": "keep"}).answers, 0.0, 0
    )
    table = train_table(world.prompts)
    assert len(some) == table.height == 64
    assert tokenizer.decode(some.prompts[3]).replace(" ", "") == table["prompt"][3].replace(" ", "")
    assert tokenizer.decode(some.answers[3]).replace(" ", "") == table["answer"][3] + "<eos>"
    assert some.weights[3] == [2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_answers_that_the_prompt_does_not_show_are_left_out(world, tokenizer):
    some = answer_examples(world.prompts, world.semantic_ids, tokenizer, world.spec.answers, 0.0, 0)
    kept = [a.split(">")[0] + ">" + a.split(">")[1] + ">" in p for p, a in
            train_table(world.prompts).select("prompt", "answer").rows()]  # fmt: skip
    assert 0 < sum(kept) < 64
    assert len(some) == sum(kept)


def test_where_no_prompt_shows_its_target_all_are_learned(world, tokenizer):
    table = world.prompts.table.with_columns(prompt=pl.lit("high"))
    blind = replace(world.prompts, table=table)
    assert len(answer_examples(blind, world.semantic_ids, tokenizer, world.spec.answers, 0.0, 0)) == 64


def test_answers_hold_nothing_that_a_tokenizer_puts_before_a_text(world, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(model_folder(tmp_path))
    first = tokenizer.convert_tokens_to_ids("<|bos|>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|bos|> $A", special_tokens=[("<|bos|>", first)]
    )
    tokenizer.add_tokens(list(world.semantic_ids.tokens))
    some = answer_examples(world.prompts, world.semantic_ids, tokenizer, world.spec.answers, 0.0, 0)
    assert all(prompt[0] == first for prompt in some.prompts)
    ids = world.semantic_ids.levels * world.prompts.list_length
    assert all(first not in answer and len(answer) == ids + 1 for answer in some.answers)


def test_places_of_one_id_are_listed_once(world, tokenizer):
    """Places 0 and 1 share an ID; where the policy lists both, less than k places are left beside the target."""
    codes = world.semantic_ids.codes.copy()
    codes[1] = codes[0]
    shared = replace(world.semantic_ids, codes=codes, policy="none")
    table = train_table(world.prompts).with_columns(target=pl.lit(0, pl.Int32))
    asked = replace(world.prompts, table=table)
    own = np.tile([1, 0, 5], (table.height, 1))
    some = list_examples(asked, shared, tokenizer, world.changed(lists={"epochs": 3}).lists, own, seed=0)
    listed = {tokenizer.decode(answer).replace(" ", "") for answer in some.answers}
    assert listed == {f"{shared.texts[a]}{shared.texts[b]}<eos>" for a, b in ((0, 5), (5, 0))}


def test_lists_hold_the_target_at_a_random_place_and_learn_it_alone(world, tokenizer):
    table = train_table(world.prompts)
    draw = np.random.default_rng(0)
    own = np.array([draw.permutation(12)[:3] for _ in range(table.height)])
    some = list_examples(
        world.prompts, world.semantic_ids, tokenizer,
        world.changed(lists={"epochs": 40, "first_share": 0.7}).lists, own, seed=0,
    )  # fmt: skip
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
    by_epoch = np.array(places).reshape(40, -1)
    assert len(np.unique(by_epoch, axis=0)) == 40, "each epoch has places of its own"
    share = np.bincount(places, minlength=3) / len(places)
    assert share == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


def test_streams_learn_ids_or_everything(world, tokenizer):
    one, two = world.semantic_ids.texts[:2]
    text = pl.DataFrame({"text": ["low", f"low {one} high {two}", "low high"]})  # of one word nothing is predicted
    prompts = Prompts(world.prompts.table, text, world.prompts.words, world.prompts.id_tokens, 3, {})
    ids = stream_examples(prompts, tokenizer, world.changed(streams={"supervise": "ids"}).streams)
    everything = stream_examples(prompts, tokenizer, world.changed(streams={"supervise": "all"}).streams)
    assert tokenizer.decode(ids.prompts[0]) == "low"
    assert ids.weights == [[1.0, 1.0, 0.0, 1.0, 1.0], [0.0]]
    assert everything.weights == [[1.0] * 5, [1.0]]
    assert tokenizer.decode(ids.answers[0]).replace(" ", "") == f"{one}high{two}"


def test_no_train_queries_are_refused(world, tokenizer):
    none = Prompts(
        world.prompts.table.filter(pl.col("split") != 0), world.prompts.streams, world.prompts.words,
        world.prompts.id_tokens, 3, {},
    )  # fmt: skip
    with pytest.raises(DataError, match="no train queries"):
        answer_examples(none, world.semantic_ids, tokenizer, world.spec.answers, 0.0, 0)
