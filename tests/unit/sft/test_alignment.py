"""The alignment phase on a small pretrained folder with a chat template: it trains, and its policy goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from folders import model_folder
from options import option
from pydantic import TypeAdapter

from refinepoi.artifacts.prompts import ALIGNMENT, Prompts
from refinepoi.model.load import load
from refinepoi.model.spec import ModelSpec
from refinepoi.prompt.settle import settle
from refinepoi.sft.examples import alignment_examples
from refinepoi.sft.train import train


@pytest.fixture(scope="module")
def prompts(world: Any) -> Prompts:
    from dataclasses import replace

    names = ["Coffee Shop", "Bar", "Office"]
    rows = [("place", f"Which place is {one}?", names[n % 3]) for n, one in enumerate(world.semantic_ids.texts)]
    rows += [("find", f"Which place is this: {names[n % 3]}?", one) for n, one in enumerate(world.semantic_ids.texts)]
    facts = world.prompts.facts | {"chat": "auto", "budget": 200}
    return replace(world.prompts, alignment=pl.DataFrame(rows, schema=ALIGNMENT, orient="row"), facts=facts)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = model_folder(tmp_path_factory.mktemp("pretrained"))
    values = option("model", "local") | {"path": str(folder), "seed": 0, "training": option("model", "training/full")}
    return TypeAdapter(ModelSpec).validate_python(values)


def test_it_trains_and_its_last_policy_goes_on(
    world: Any, prompts: Prompts, model: Any, make_context: Callable[..., Any]
) -> None:
    context = make_context()
    spec = world.changed(
        alignment={"epochs": 25, "tasks": ("place", "find"), "learning_rate": 1e-2}, answers={"epochs": 1},
        lists={"epochs": 0}, eval_every=1000, save_every=1000,
    )  # fmt: skip
    policy = train(context, spec, model, prompts, world.semantic_ids)
    first, second = policy.facts["phases"]
    assert (first["name"], second["name"]) == ("alignment", "answers") and first["examples"] == 24
    assert first["steps"] == first["best"] == 75, "the last policy, not one chosen by lists it does not answer yet"
    losses = [row["loss"] for row in context.log.curve if "loss" in row][: first["steps"] // 2]
    assert np.mean(losses[-3:]) < 0.5 * losses[0]
    kept = load(Path(context.folder) / ".work" / "alignment" / f"best-{first['best']}")
    question = settle(prompts, kept.tokenizer).alignment["prompt"][0]
    assert question.startswith("<|im_start|>user\nWhich place is ") and question.endswith("</think>\n\n")
    read = kept.tokenizer(question, return_tensors="pt")
    said = kept.model.generate(**read, max_new_tokens=12)[0, read["input_ids"].shape[1] :]
    assert kept.tokenizer.decode(said).startswith("Coffee Shop<|im_end|>")


def test_tasks_are_chosen(prompts: Prompts, world: Any, model: Any) -> None:
    tokenizer = load(Path(model.path)).tokenizer
    phase = world.spec.alignment
    both = alignment_examples(prompts, tokenizer, phase)
    one = alignment_examples(prompts, tokenizer, phase.model_copy(update={"tasks": ("find",)}))
    assert (len(both), len(one)) == (24, 12)
    for number, place in enumerate(world.semantic_ids.texts[:3]):
        assert place in tokenizer.decode(both.prompts[number])
        assert tokenizer.decode(one.answers[number]) == f"{place}<|im_end|>"
    assert all(len(w) == len(a) and set(w) == {1.0} for w, a in zip(both.weights, both.answers, strict=True))
