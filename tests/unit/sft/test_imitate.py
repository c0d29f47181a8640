"""Examples that are answered with the evidence's order: what is drawn, and that nothing else of them changes."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from refinepoi.model.load import build
from refinepoi.sft.data import Collator, Examples
from refinepoi.sft.examples import answer_examples, encode_answers, train_table


@pytest.fixture(scope="module")
def tokenizer(world: Any) -> Any:
    return build(world.model, world.prompts, world.semantic_ids).tokenizer


@pytest.fixture(scope="module")
def examples(world: Any, tokenizer: Any) -> Any:
    """examples(imitate, relabel, seed)."""

    def make(imitate: float, relabel: float = 0.0, seed: int = 0) -> Examples:
        phase = world.changed(answers={"absent_target": "keep", "imitate": imitate}).answers
        return answer_examples(world.prompts, world.semantic_ids, tokenizer, phase, relabel, seed)

    return make


def read(some: Examples, step: int = 0) -> tuple[Any, Any]:
    """What is read before the last token, and the answers, as a model gets them at a step."""
    part = Collator(some, pad=0)(np.arange(len(some)), 1.0, step)
    return part["input_ids"].numpy(), part["answers"].numpy()


def imitated(world: Any, tokenizer: Any, answers: Any) -> Any:
    """bool [n]: answered with the order, of those for which it differs from the target's list."""
    table = train_table(world.prompts)
    ranked, targets = (np.array(encode_answers(tokenizer, table[name].to_list())) for name in ("ranked", "answer"))
    told = (ranked != targets).any(1)
    assert told.sum() > 20
    assert ((answers == ranked).all(1) | (answers == targets).all(1)).all()
    return (answers == ranked).all(1)[told]


def test_all_of_them(world: Any, tokenizer: Any, examples: Any) -> None:
    assert imitated(world, tokenizer, read(examples(1.0))[1]).all()
    assert not imitated(world, tokenizer, read(examples(0.0))[1]).any()


def test_a_share_drawn_anew_at_every_step(world: Any, tokenizer: Any, examples: Any) -> None:
    some = examples(0.3)
    drawn = np.array([imitated(world, tokenizer, read(some, step)[1]) for step in range(40)])
    assert abs(drawn.mean() - 0.3) < 0.05  # 5 standard errors and more
    assert (drawn.any(0) & ~drawn.all(0)).all()
    again = [imitated(world, tokenizer, read(examples(0.3), step)[1]) for step in range(40)]
    assert (drawn == again).all()
    other = [imitated(world, tokenizer, read(examples(0.3, seed=1), step)[1]) for step in range(40)]
    assert (drawn != other).any()


def test_prompts_and_weights_stay(examples: Any) -> None:
    plain, changed = examples(0.0), examples(1.0)
    k = len(plain.answers[0]) - 1
    assert (read(plain)[0][:, :-k] == read(changed)[0][:, :-k]).all()
    rows = np.arange(len(plain))
    one, other = (Collator(some, pad=0)(rows, 1.0) for some in (plain, changed))
    assert (one["weights"] == other["weights"]).all() and one["weights"].sum() == Collator(plain, pad=0).norm(rows)
    assert (one["answers"] != other["answers"]).any()


def test_relabelled_where_either_answer_could_be_copied(world: Any, tokenizer: Any, examples: Any) -> None:
    """An order that names a place the prompt does not show keeps its names, as such a target does."""
    (relabelling,) = examples(0.0, relabel=1.0).changes
    _, both = examples(0.5, relabel=1.0).changes
    levels = world.semantic_ids.levels
    table = train_table(world.prompts)

    def shown(name: str) -> list[bool]:
        pairs = table.select(pl.col("prompt"), pl.col(name)).rows()
        ids = [["".join(part) for part in zip(*[iter(a.replace(">", "> ").split())] * levels)] for _, a in pairs]  # noqa: B905
        return [all(one in prompt for one in mine) for (prompt, _), mine in zip(pairs, ids, strict=True)]

    targets, orders = shown("answer"), shown("ranked")
    assert relabelling.copied == targets
    assert both.copied == [t and o for t, o in zip(targets, orders, strict=True)]
