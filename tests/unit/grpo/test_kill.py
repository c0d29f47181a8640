"""A run that is really killed, at any moment, ends with the bytes of one that was not."""

from typing import Any

import pytest
from kills import Victim, kills_while_saving, random_kills, saving_checkpoint
from models import lora, pretrained

from refinepoi.grpo.stage import train_grpo


@pytest.fixture(scope="module", params=["full", pytest.param("lora", marks=pytest.mark.slow)])
def victim(
    request: pytest.FixtureRequest, world: Any, stored: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> Victim:
    spec, model = world.changed(steps=16, save_every=3, eval_every=4), world.model
    if request.param == "lora":
        model = pretrained(world.warm_start.model, lora(dropout=0.1))
    return Victim(train_grpo, [spec, world.reward, model, *stored], tmp_path_factory.mktemp("victim"))


def test_killed_while_a_checkpoint_is_written(victim: Victim) -> None:
    victim.met("saving a checkpoint", "checkpoint-1", saving_checkpoint(1))


@pytest.mark.slow
def test_killed_in_the_middle(victim: Victim) -> None:
    victim.killed_within("middle")


@pytest.mark.slow
def test_killed_at_ten_random_moments(victim: Victim, record_property: Any) -> None:
    record_property("doing", random_kills(10, victim))


@pytest.mark.slow
def test_killed_while_saving(victim: Victim) -> None:
    kills_while_saving(victim)
