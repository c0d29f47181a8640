"""A run that is really killed, at any moment, ends with the bytes of one that was not."""

from typing import Any

import pytest
from kills import Victim, after, random_kills, saving_best, saving_checkpoint
from models import lora, pretrained

from refinepoi.grpo.stage import train_grpo

DWELL = 0.5


@pytest.fixture(scope="module", params=["full", pytest.param("lora", marks=pytest.mark.slow)])
def victim(
    request: pytest.FixtureRequest, world: Any, stored: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> Victim:
    spec, model = world.changed(steps=16, save_every=3, eval_every=4), world.model
    if request.param == "lora":
        model = pretrained(world.warm_start.model, lora(dropout=0.1))
    return Victim(train_grpo, [spec, world.reward, model, *stored], tmp_path_factory.mktemp("victim"))


def test_killed_while_a_checkpoint_is_written(victim: Victim) -> None:
    assert victim.killed("checkpoint-1", saving_checkpoint(1), DWELL) == "saving a checkpoint"


@pytest.mark.slow
def test_killed_in_the_middle(victim: Victim) -> None:
    assert victim.killed("middle", after(victim.training / 2)) != "finished"


@pytest.mark.slow
def test_killed_at_ten_random_moments(victim: Victim, record_property: Any) -> None:
    doing = random_kills(10, victim)
    record_property("doing", dict(doing))
    print(dict(doing))
    assert doing.total() == 10


@pytest.mark.slow
def test_killed_while_saving(victim: Victim) -> None:
    for number in (0, 2):
        assert victim.killed(f"after-{number}", saving_checkpoint(number), DWELL) == "saving a checkpoint"
    assert victim.killed("best", saving_best(0), DWELL) == "saving the best policy"
