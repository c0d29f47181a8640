"""Examples whose IDs are permuted: the same places of the prompt answer them; drawn by (seed, step, row) alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from refinepoi.model.load import build
from refinepoi.model.tokenizer import id_token_numbers
from refinepoi.sft.data import Collator, Examples
from refinepoi.sft.examples import answer_examples
from refinepoi.sft.relabel import Relabelling
from refinepoi.sft.train import relabelled
from refinepoi.sft.trainer import Parts


@pytest.fixture(scope="module")
def tokenizer(world: Any) -> Any:
    return build(world.model, world.prompts, world.semantic_ids).tokenizer


@pytest.fixture(scope="module")
def answers(world: Any, tokenizer: Any) -> Any:
    """answers(relabel, seed, absent_target) -> examples."""

    def make(relabel: float, seed: int = 0, absent_target: str = "skip") -> Examples:
        phase = world.changed(answers={"absent_target": absent_target, "imitate": 0.0}).answers
        return answer_examples(world.prompts, world.semantic_ids, tokenizer, phase, relabel, seed)

    return make


def read(examples: Examples, step: int = 0) -> list[list[int]]:
    """Tokens of every example as a model reads them at a step, padding left out."""
    part = Collator(examples, pad=0)(np.arange(len(examples)), 1.0, step)
    last = part["answers"][:, -1:].numpy()
    rows = np.concatenate([part["input_ids"].numpy(), last], 1)
    return [row[len(row) - int(n) :].tolist() for row, n in zip(rows, examples.lengths(), strict=True)]


def test_each_level_is_renamed_one_to_one_and_nothing_else(world: Any, tokenizer: Any, answers: Any) -> None:
    plain, renamed = read(answers(0.0)), read(answers(1.0))
    numbers = np.array(id_token_numbers(tokenizer, world.semantic_ids.tokens))
    levels = [set(level.tolist()) for level in numbers[world.semantic_ids.token_index].T]
    moved = 0
    for before, after in zip(plain, renamed, strict=True):
        pairs = set(zip(before, after, strict=True))
        assert len({b for b, _ in pairs}) == len({a for _, a in pairs}) == len(pairs)
        for level in levels:
            assert {a for b, a in pairs if b in level} <= level
        assert all(a == b for b, a in pairs if b not in levels[0] | levels[1])
        moved += sum(a != b for b, a in pairs)
    assert moved > 2 * len(plain)


def test_every_token_of_a_level_comes_up_as_a_name(world: Any, tokenizer: Any, answers: Any) -> None:
    some = answers(1.0)
    seen = {token for step in range(20) for row in read(some, step) for token in row}
    assert (
        set(np.array(id_token_numbers(tokenizer, world.semantic_ids.tokens))[world.semantic_ids.token_index].ravel())
        <= seen
    )


def test_the_share_is_drawn_anew_at_every_step(answers: Any) -> None:
    plain, some = read(answers(0.0)), answers(0.3)
    changed = np.array([[a != b for a, b in zip(read(some, step), plain, strict=True)] for step in range(60)])
    assert changed.mean() == pytest.approx(0.3, abs=0.03)
    assert changed.any(0).all() and not changed.all(0).any()


def test_names_are_drawn_anew_at_every_step(answers: Any) -> None:
    some = answers(1.0)
    assert all(a != b for a, b in zip(read(some, 0), read(some, 1), strict=True))


def test_what_is_read_depends_on_seed_step_and_row_alone(answers: Any) -> None:
    some = answers(0.5)
    assert read(some, 7) == read(answers(0.5), 7) != read(some, 8)
    assert read(some, 7) != read(answers(0.5, seed=1), 7)
    collate, rows = Collator(some, 0), np.arange(len(some))
    whole, half = collate(rows, 1.0, 7), collate(rows[5:], 1.0, 7)
    assert (whole["answers"][5:] == half["answers"]).all()


def test_an_answer_that_is_not_in_the_prompt_keeps_its_names(world: Any, answers: Any, tokenizer: Any) -> None:
    plain, renamed = answers(0.0, absent_target="keep"), answers(1.0, absent_target="keep")
    texts, known = (tokenizer.batch_decode(part) for part in (plain.prompts, plain.answers)), world.semantic_ids.texts
    shown, named = ([{t for t in known if t in text.replace(" ", "")} for text in part] for part in texts)
    foreign = [not n <= s for s, n in zip(shown, named, strict=True)]
    same = [a == b for a, b in zip(read(plain), read(renamed), strict=True)]
    assert 0 < sum(foreign) < len(foreign) and same == foreign


def test_a_place_is_its_whole_id_and_not_tokens_of_others(world: Any, tokenizer: Any) -> None:
    numbers, ids = id_token_numbers(tokenizer, world.semantic_ids.tokens), world.semantic_ids
    tokens = np.array(numbers)[ids.token_index].tolist()
    places = {tuple(place): number for number, place in enumerate(tokens)}
    here, there, mixed = next(
        (a, b, places[a[0], b[1]]) for a in places for b in places if a != b and (a[0], b[1]) in places.keys() - {a, b}
    )
    prompts, found = [[*here, *there], [*here, *tokens[mixed]]], [tokens[mixed], tokens[mixed]]
    assert list(Relabelling.of(ids, numbers, prompts, found, 1.0, 0).copied) == [False, True]


@pytest.mark.parametrize(
    ("start", "relabel", "share"), [("copying", None, 0.5), ("random", None, 0), ("random", 0.3, 0.3)]
)
def test_what_cannot_copy_yet_is_not_asked_to(world: Any, start: str, relabel: float | None, share: float) -> None:
    model = world.model.model_copy(update={"start": start})
    assert relabelled(world.changed(answers={"relabel": relabel}).answers, model) == share


def test_each_part_of_a_step_is_read_at_that_step(answers: Any) -> None:
    read_at = list[tuple[int, int]]()

    def noted(text: Any, step: int, row: int) -> Any:
        read_at.append((step, row))
        return text

    plan = [np.array([3, 1, 4, 2]), np.array([0, 5, 2, 6])]
    parts = Parts(plan, Collator(replace(answers(0.0), changes=[noted]), 0), most=3)
    for number in range(len(parts)):
        parts[number]
    assert read_at == [(step, row) for step, rows in enumerate(plan) for row in rows.tolist()]
