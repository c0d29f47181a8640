"""Short runs on a world where the hour decides the place."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from models import lora, pretrained
from safetensors.torch import load_file

from refinepoi.core.errors import UserError
from refinepoi.training.watch import Watch


def weights(policy: Any) -> dict[str, torch.Tensor]:
    return load_file(policy.model / "model.safetensors")


def fingerprint(policy: Any) -> str:
    return hashlib.sha256((policy.model / "model.safetensors").read_bytes()).hexdigest()


def column(context: Any, name: str) -> list[float]:
    return [row[name] for row in context.log.curve if name in row]


@pytest.mark.parametrize("credit", ["item", "list"])
def test_learns_and_is_quiet(run: Any, capfd: pytest.CaptureFixture[str], credit: str) -> None:
    policy, context = run(
        steps=30, prompts_per_step=8, credit=credit, eval_every=15, save_every=15, eval_queries=24, keep="best"
    )
    printed = capfd.readouterr()
    assert printed.out == "" and printed.err == ""
    reward, mrr = column(context, "reward"), column(context, "validation/MRR")
    assert sum(reward[-5:]) / 5 > sum(reward[:5]) / 5 + 0.3
    assert len(mrr) == 3 and max(mrr) > mrr[0] + 0.1
    assert policy.facts["step"] == [0, 15, 30][mrr.index(max(mrr))]
    for name in ("format", "distinct", "length"):  # a constrained list earns these always
        assert column(context, f"reward/{name}") == pytest.approx([1.0] * 30)
    first = next(row for row in context.log.curve if "reward" in row)
    assert first["reward"] == pytest.approx(1.0 + 2 * first["reward/rank"] + 0.5 * first["reward/soft"], abs=1e-5)
    assert {"loss", "entropy", "frac_reward_zero_std", "grad_norm", "learning_rate"} <= set(first)


def test_kl_to_the_warm_start_is_zero_at_the_first_step(run: Any) -> None:
    _, context = run(steps=3, beta=0.05, num_iterations=1)
    kl = column(context, "kl")
    assert abs(kl[0]) < 1e-6 and kl[2] > 1e-5


def test_ratio_is_one_on_fresh_answers_and_clipped_on_old_ones(run: Any) -> None:
    _, context = run(steps=8, num_iterations=2, learning_rate=0.05, save_every=2)
    clipped = column(context, "clip_ratio")
    assert clipped[0] == 0.0 and max(clipped[1::2]) > 0.0
    assert clipped[::2] == [0.0] * 4  # a fresh batch, even after many steps


@pytest.mark.parametrize("loss_type", ["dr_grpo", "dapo", "grpo"])
def test_parts_of_a_step_change_nothing(run: Any, world: Any, loss_type: str) -> None:
    runs = [run(f"parts{m}", m, steps=2, keep="last", loss_type=loss_type)[0] for m in (16, 8, 2)]
    before, whole = weights(world.warm_start), weights(runs[0])
    for other in map(
        weights, runs[1:]
    ):  # Adam makes much of the rounding of a gradient near 0: whole steps are compared
        moved = torch.cat([(whole[name] - before[name]).flatten() for name in whole])
        apart = torch.cat([(whole[name] - other[name]).flatten() for name in whole])
        assert apart.norm() < 1e-3 * moved.norm()


@pytest.mark.parametrize(("credit", "scale"), [("item", "batch"), ("list", "group")])
def test_what_every_constrained_list_earns_changes_nothing(run: Any, world: Any, credit: str, scale: str) -> None:
    """format, distinct and length are constant there: their ablation is that of nothing, up to rounding."""
    settings = {"steps": 4, "keep": "last", "credit": credit, "scale_rewards": scale}
    form = world.reward.weights.model_copy(update={"format": 0.0, "distinct": 0.0, "length": 0.0})
    other = world.reward.weights.model_copy(update={"soft": 0.0})
    before, whole = weights(world.warm_start), weights(run("whole", **settings)[0])
    apart = {}
    for name, changed in (("form", form), ("soft", other)):
        reward = world.reward.model_copy(update={"weights": changed})
        without = weights(run(name, reward=reward, **settings)[0])
        apart[name] = torch.cat([(whole[key] - without[key]).flatten() for key in whole]).norm()
    moved = torch.cat([(whole[key] - before[key]).flatten() for key in whole]).norm()
    assert apart["form"] < 0.01 * moved < apart["soft"]


@pytest.mark.parametrize(("iterations", "prompts"), [(1, 4), (2, 4), (1, 11)])  # 24 prompts: 11 a step wrap around
def test_killed_and_started_again_gives_the_same_bytes(
    run: Any, monkeypatch: pytest.MonkeyPatch, iterations: int, prompts: int
) -> None:
    settings = {
        "steps": 8, "num_iterations": iterations, "save_every": 2, "eval_every": 3, "prompts_per_step": prompts,
    }  # fmt: skip
    whole, whole_context = run("whole", keep="last", **settings)
    best, _ = run("best", keep="best", **settings)

    plain = Watch.on_step_end

    def dies(self: Watch, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        plain(self, args, state, control, **kwargs)
        if state.global_step == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "on_step_end", dies)
        for keep in ("last", "best"):
            with pytest.raises(KeyboardInterrupt):
                run(f"killed-{keep}", keep=keep, **settings)
    again, context = run("killed-last", keep="last", **settings)
    assert fingerprint(again) == fingerprint(whole)
    again_best, _ = run("killed-best", keep="best", **settings)
    assert fingerprint(again_best) == fingerprint(best) and again_best.facts == best.facts
    for name in ("reward", "validation/MRR", "loss"):
        assert column(context, name) == column(whole_context, name)


def test_half_a_checkpoint_is_never_read(run: Any, make_context: Any) -> None:
    whole, _ = run("whole", keep="last", steps=4)
    context = make_context("broken")
    half = context.work / "checkpoint-3"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"cut off")
    policy, _ = run("broken", keep="last", steps=4)
    assert fingerprint(policy) == fingerprint(whole) and not half.exists()


def test_result_is_whole_and_repeats(run: Any, world: Any) -> None:
    one, context = run("one", keep="last")
    two, _ = run("two", keep="last")
    assert fingerprint(one) == fingerprint(two) != fingerprint(world.warm_start)
    one.save(context.folder)
    assert (context.folder / "model" / "tokenizer.json").exists()
    other, _ = run("three", seed=1, keep="last")
    assert fingerprint(other) != fingerprint(one)


def test_free_sampler(run: Any) -> None:
    policy, context = run(sampler="free", steps=2, max_new_tokens=6)
    assert len(column(context, "reward")) == 2 and len(column(context, "validation/MRR")) == 2
    assert policy.facts["estimator"].startswith("samples of the model's text")


def test_finished_but_not_published_is_not_trained_again(run: Any) -> None:
    for keep in ("best", "last"):
        first, context = run(keep, keep=keep)
        curve = list(context.log.curve)
        again, context = run(keep, keep=keep)
        assert fingerprint(again) == fingerprint(first) and context.log.curve == curve


def test_lora_starts_at_the_warm_start_and_is_saved_merged(run: Any, world: Any) -> None:
    model = pretrained(world.warm_start.model, lora(rank=4, alpha=8.0, dropout=0.1, targets=("all-linear",)))
    policy, context = run(model=model, steps=2, beta=0.1, learning_rate=0.01, keep="last")
    kl = column(context, "kl")
    assert abs(kl[0]) < 1e-6 and kl[1] > 1e-5
    before, after = weights(world.warm_start), weights(policy)
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_refusals(run: Any) -> None:
    with pytest.raises(UserError, match="24 training prompts"):
        run(prompts_per_step=25)


def test_writes_nothing_outside_its_folder(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    run(steps=2)
    assert list(elsewhere.iterdir()) == []
