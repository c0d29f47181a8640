"""Phases of supervised fine-tuning: they learn, repeat, and go on after a crash where they were."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from refinepoi.core.errors import UserError
from refinepoi.sft import train
from refinepoi.training.watch import Watch


def newest(context: Any, phase: str = "answers") -> Path:
    """The last trained weights of a phase: the policy may be an earlier, better one."""
    folders = (context.folder / ".work" / phase).glob("checkpoint-*")
    return max(folders, key=lambda folder: int(folder.name.split("-")[1])) / "model.safetensors"


def weights(done: tuple[Any, Any]) -> bytes:
    return newest(done[1]).read_bytes()


class Killed(BaseException):
    """Not an Exception: nothing on the way may catch it."""


def test_learns(run: Callable[..., Any]) -> None:
    _, context = run(answers={"epochs": 6}, lists={"epochs": 0})
    losses = [row["loss"] for row in context.log.curve if "loss" in row]
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


def test_every_parameter_moves(run: Callable[..., Any], world: Any) -> None:
    from refinepoi.model.load import build

    _, context = run(answers={"epochs": 2}, lists={"epochs": 0})
    before = dict(build(world.model, world.prompts, world.semantic_ids).model.named_parameters())
    after = load_file(newest(context))
    still = [name for name, value in after.items() if (before[name].detach().numpy() == value).all()]
    assert not still


def test_two_runs_give_the_same_bytes(run: Callable[..., Any]) -> None:
    assert weights(run("one")) == weights(run("two"))
    assert weights(run("three", seed=1)) != weights(run("four"))


def test_parts_of_a_batch_change_only_the_rounding(run: Callable[..., Any]) -> None:
    whole, parts = (load_file(newest(run(name, size)[1])) for name, size in (("w", 8), ("p", 2)))
    assert max(float(abs(whole[name] - parts[name]).max()) for name in whole) < 1e-4


@pytest.mark.parametrize("step", [1, 3, 5, 9])
def test_killed_and_started_again_gives_the_same_bytes(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    whole = weights(run("whole"))
    original, seen = Watch.on_step_end, [0]

    def dying(self: Watch, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        seen[0] += 1
        if seen[0] == step:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "on_step_end", dying)
        with pytest.raises(Killed):
            run("killed")
    assert weights(run("killed")) == whole


def test_half_a_checkpoint_is_never_read(run: Callable[..., Any], tmp_path: Path) -> None:
    whole = weights(run("whole"))
    torn = tmp_path / "torn" / ".work" / "answers" / "checkpoint-2"
    torn.mkdir(parents=True)
    (torn / "trainer_state.json").write_text(json.dumps({"global_step": 2}))
    assert weights(run("torn")) == whole and not torn.exists()


def test_streams_then_lists(run: Callable[..., Any]) -> None:
    policy, _ = run(streams=True)
    assert [phase["name"] for phase in policy.facts["phases"]] == ["streams", "lists"]


def test_patience_ends_a_phase_and_the_best_policy_is_the_result(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from refinepoi.training.validation import Validation

    scores = iter([0.1, 0.3, 0.2, 0.3, 0.9])
    monkeypatch.setattr(Validation, "measure", lambda *_: {"MRR": next(scores)})
    policy, context = run(answers={"epochs": 9}, lists={"epochs": 0}, patience=2)
    (phase,) = policy.facts["phases"]
    assert [row["step"] for row in phase["validation"]] == [0, 4, 8, 12]  # equal to the best is no improvement
    assert phase["best"] == 4 and phase["steps"] == 12
    at_step_4 = context.folder / ".work" / "answers" / "best-4" / "model.safetensors"
    assert (policy.model / "model.safetensors").read_bytes() == at_step_4.read_bytes() != newest(context).read_bytes()


def test_bfloat16_is_refused_on_a_cpu(run: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match=r"sft.precision: bfloat16 needs a GPU .* sft.precision=float32"):
        run(precision="bfloat16")


def test_own_lists_are_searched_where_the_model_is_trained(
    world: Any, make_context: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the trainer, which would move the model, is there."""
    job = train.Run(make_context(), world.changed(), world.model, world.prompts, world.semantic_ids)
    job.device, language, order = "a GPU", job.language(), list[str]()
    monkeypatch.setattr(language.model, "to", lambda device: order.append(str(device)))
    monkeypatch.setattr(train, "own_places", lambda *_: order.append("search"))
    monkeypatch.setattr(train, "list_examples", lambda *_: None)
    job.own_lists(language)
    assert order == ["a GPU", "search", "cpu"]


def test_tokens_are_those_of_the_steps_that_ran(run: Callable[..., Any]) -> None:
    long = {"answers": {"epochs": 30, "learning_rate": 1e-9}, "lists": {"epochs": 0}}
    _, stopped = run("stopped", patience=1, **long)
    steps = json.loads((stopped.work / "answers" / "DONE.json").read_text())["steps"]
    assert 0 < steps < 30 and 0 < stopped.cost["tokens"] <= steps * 8 * 40  # of batches of 8


@pytest.mark.parametrize(("min_steps", "steps"), [(0, 7), (7, 7), (8, 14), (15, 21)])
def test_few_examples_are_read_in_more_epochs(run: Callable[..., Any], world: Any, min_steps: int, steps: int) -> None:
    policy, _ = run(answers={"min_steps": min_steps}, lists={"epochs": 0})
    (phase,) = policy.facts["phases"]
    assert (phase["examples"] // 8, phase["steps"]) == (7, steps)
