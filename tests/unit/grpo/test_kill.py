"""A run that is really killed, at any moment, ends with the bytes of one that was not."""

from collections import Counter
from typing import Any

import pytest
from kills import Victim, after, random_moments, saving_best, saving_checkpoint

from refinepoi.grpo.stage import train_grpo

DWELL = 0.5


@pytest.fixture(scope="module")
def victim(world: Any, stored: list[Any], tmp_path_factory: pytest.TempPathFactory) -> Victim:
    spec = world.changed(steps=16, save_every=3, eval_every=4)
    return Victim(train_grpo, [spec, world.reward, world.model, *stored], tmp_path_factory.mktemp("victim"))


def test_killed_while_a_checkpoint_is_written(victim: Victim) -> None:
    assert victim.killed("checkpoint-1", saving_checkpoint(1), DWELL) == "saving a checkpoint"


def test_killed_in_the_middle(victim: Victim) -> None:
    assert victim.killed("middle", after(victim.training / 2)) != "finished"


@pytest.mark.slow
def test_killed_at_ten_random_moments(victim: Victim, record_property: Any) -> None:
    moments = random_moments(10, victim)
    doing = Counter(victim.killed(f"random-{n}", moment) for n, moment in enumerate(moments))
    record_property("doing", dict(doing))
    print(dict(doing))
    assert doing.total() - doing["finished"] >= 8  # the last ones may come too late


@pytest.mark.slow
def test_killed_while_saving(victim: Victim) -> None:
    for number in (0, 2):
        assert victim.killed(f"after-{number}", saving_checkpoint(number), DWELL) == "saving a checkpoint"
    assert victim.killed("best", saving_best(0), DWELL) == "saving the best policy"
