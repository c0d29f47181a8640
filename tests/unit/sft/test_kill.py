"""A run that is really killed, at any moment, ends with the bytes of one that was not."""

from typing import Any

import pytest
from folders import model_folder
from kills import Victim, kills_while_saving, random_kills, saving_checkpoint
from models import lora, pretrained

from refinepoi.sft.stage import train_sft

SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("answers", "lora")]


@pytest.fixture(scope="module", params=["streams", *SLOW])
def victim(
    request: pytest.FixtureRequest, world: Any, stored: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> Victim:
    """Streams, or answers, then lists; lora: answers by low-rank matrices beside a small folder's frozen weights."""
    how, model = request.param, world.model
    first = {"streams": {"epochs": 3}} if how == "streams" else {"streams": {"epochs": 0}, "answers": {"epochs": 2}}
    spec = world.changed(**first, lists={"epochs": 1}, save_every=3, eval_every=4)
    if how == "lora":
        model = pretrained(model_folder(tmp_path_factory.mktemp("base")), lora(dropout=0.1))
    return Victim(train_sft, [spec, model, *stored], tmp_path_factory.mktemp("victim"))


@pytest.mark.slow
def test_killed_while_a_checkpoint_is_written(victim: Victim) -> None:
    victim.met("saving a checkpoint", "checkpoint-1", saving_checkpoint(1))


def test_killed_in_the_middle(victim: Victim) -> None:
    victim.killed_within("middle")


@pytest.mark.slow
def test_killed_at_ten_random_moments(victim: Victim, record_property: Any) -> None:
    record_property("doing", random_kills(10, victim))


@pytest.mark.slow
def test_killed_while_saving(victim: Victim) -> None:
    kills_while_saving(victim)
