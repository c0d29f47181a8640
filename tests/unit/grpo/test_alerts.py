"""Alerts by histories made up for them, and a run whose reward can be hacked."""

from pathlib import Path
from typing import Any

import pytest
from options import option

from refinepoi.grpo.alerts import judge
from refinepoi.grpo.spec import AlertSpec
from refinepoi.reward.spec import RewardSpec
from refinepoi.training.watch import Memory

SPEC = AlertSpec(window=4, zero_variance=0.8, entropy=0.1, length=0.3, hacking_validations=2, hacking_drop=0.01)


def said(
    curve: list[dict[str, float]] | None = None, validation: list[dict[str, float]] | None = None, steps: int = 100
) -> list[str]:
    return [alert.name for alert in judge(SPEC, steps, Memory(curve or [], validation or []))]


def history(name: str, values: list[float]) -> list[dict[str, float]]:
    return [{"step": step + 1.0, name: value} for step, value in enumerate(values)]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("zero_variance_groups", [0.9] * 4, ["zero variance"]),
        ("zero_variance_groups", [0.0] * 9 + [0.9] * 4, ["zero variance"]),
        ("zero_variance_groups", [0.9] * 3, []),  # not yet a window
        ("zero_variance_groups", [0.9, 0.9, 0.9, 0.5], []),
        ("entropy", [2.0] * 4 + [0.1] * 4, ["entropy collapse"]),
        ("entropy", [2.0] * 4 + [0.3] * 4, []),
        ("entropy", [0.01] * 8, []),  # low from the start
        ("completion_length", [20.0] * 4 + [27.0] * 4, ["length drift"]),
        ("completion_length", [20.0] * 4 + [13.0] * 4, ["length drift"]),
        ("completion_length", [20.0] * 4 + [25.0] * 4, []),
    ],
)
def test_curves(name: str, values: list[float], expected: list[str]) -> None:
    assert said(history(name, values)) == expected


def test_a_window_longer_than_half_the_run_is_cut_to_it() -> None:
    """Two windows of four never fit into a run of six steps."""
    entropy = history("entropy", [2.0] * 3 + [0.1] * 3)
    assert said(entropy, steps=6) == ["entropy collapse"] and said(entropy, steps=8) == []


NOISY_RISE = [1.0, 1.1, 1.3, 1.2, 1.5, 1.4, 1.6, 1.5]


@pytest.mark.parametrize(
    ("mrr", "reward", "expected"),
    [
        ([0.30, 0.40, 0.37, 0.38, 0.35], NOISY_RISE, True),  # neither falls nor rises at each step
        ([0.40, 0.36, 0.37, 0.35], NOISY_RISE[:6], True),  # as soon as four are there
        ([0.30, 0.40, 0.35, 0.37, 0.38], NOISY_RISE, False),  # on its way up again
        ([0.30, 0.37, 0.40, 0.30, 0.20], NOISY_RISE, False),  # the best is among the three
        ([0.30, 0.40, 0.37, 0.38, 0.35], NOISY_RISE[::-1], False),
        ([0.40, 0.395, 0.397, 0.393], NOISY_RISE[:6], False),  # a hundredth is not passed
    ],
)
def test_hacking_by_slope_at_the_default_settings(mrr: list[float], reward: list[float], expected: bool) -> None:
    default = AlertSpec(**option("grpo", "default")["alerts"])
    validation = [{"step": 2.0 * n, "MRR": value} for n, value in enumerate(mrr)]
    found = [alert.name for alert in judge(default, 80, Memory(history("reward", reward), validation))]
    assert found == ["reward hacking"] * expected


@pytest.mark.parametrize(
    ("mrr", "reward", "expected"),
    [
        ([0.40, 0.38, 0.36], [1.0, 1.2, 1.4, 1.6], True),
        ([0.30, 0.40, 0.38, 0.36], [1.0, 1.1, 1.2, 1.3, 1.4, 1.5], True),
        ([0.40, 0.38, 0.39], [1.0, 1.2, 1.4, 1.6], False),  # MRR recovers
        ([0.40, 0.38, 0.36], [1.6, 1.6, 1.4, 1.4], False),  # the reward falls, too: not learning is not hacking
        ([0.40, 0.398, 0.396], [1.0, 1.2, 1.4, 1.6], False),  # a fall of less than .01
        ([0.40, 0.38], [1.0, 1.2, 1.4, 1.6], False),  # one fall
        ([0.40, 0.38, 0.36], [1.0, 1.0, 1.6, 1.5], False),  # what was earned before the two counts for neither
        ([0.40, 0.38, 0.36], [], False),
    ],
)
def test_hacking(mrr: list[float], reward: list[float], expected: bool) -> None:
    validation = [{"step": 2.0 * n, "MRR": value} for n, value in enumerate(mrr)]
    assert said(history("reward", reward), validation) == ["reward hacking"] * expected


def test_never_is_never() -> None:
    never = AlertSpec(window=1, zero_variance=1.0, entropy=0.0, length=0.0, hacking_validations=0, hacking_drop=0.0)
    curve = [
        {"step": float(n), "zero_variance_groups": 1.0, "entropy": 0.0, "completion_length": 9.0**n, "reward": float(n)}
        for n in range(1, 9)
    ]
    validation = [{"step": float(n), "MRR": 0.9 - n / 10} for n in range(8)]
    assert list(judge(never, 8, Memory(curve, validation))) == []


HACKABLE = """
def constant(answers, target, places):
    '''Pays for one place that has nothing to do with the question, most for naming it first.'''
    return ((answers.items == 7) / (1.0 + __import__("numpy").arange(answers.items.shape[1]))).max(1)
"""


@pytest.fixture
def hackable(tmp_path: Path) -> RewardSpec:
    (tmp_path / "hackable.py").write_text(HACKABLE)
    values = option("reward", "paper")
    weights = dict.fromkeys(values["weights"], 0.0)
    user = {"file": str(tmp_path / "hackable.py"), "function": "constant", "weight": 1.0}
    return RewardSpec(**{**values, "weights": weights, "user": user})


def test_a_reward_that_can_be_hacked_is_stopped(
    run: Any, hackable: RewardSpec, caplog: pytest.LogCaptureFixture
) -> None:
    learnt, _ = run("learnt", steps=30, prompts_per_step=8, credit="item", eval_every=30, save_every=30)
    policy, context = run(
        "hacked", reward=hackable, warm_start=learnt, steps=60, eval_every=4, save_every=4, eval_queries=24,
        prompts_per_step=8, credit="item", keep="last", alerts=SPEC.model_dump(), learning_rate=2e-3,
    )  # fmt: skip
    validation, stop = policy.facts["validation"], policy.facts["alerts"][-1]
    assert stop["name"] == "reward hacking" and stop["step"] < 60
    assert policy.facts["step"] == max(validation, key=lambda row: row["MRR"])["step"] < stop["step"]
    assert policy.model.name == f"best-{policy.facts['step']}"  # although keep=last
    assert max(row["step"] for row in context.log.curve) == stop["step"]
    assert "reward hacking" in caplog.text and "grpo.beta" in caplog.text
