"""The reward report: figures by hand, and the whole stage on a toy world."""

import json
from typing import Any

import numpy as np
import pytest
from options import option

from refinepoi.artifacts.reward_report import RewardReport
from refinepoi.experiment import ConfigurationError
from refinepoi.grpo.reward_figures import (
    REFERENCE,
    TOTAL,
    correlation,
    degenerate_answers,
    earned,
    hints,
    sampled_figures,
)
from refinepoi.grpo.reward_report import look
from refinepoi.launching.composition import check
from refinepoi.reward.combine import Rewards
from refinepoi.reward.spec import RewardSpec

PAPER = RewardSpec(**option("reward", "paper"))


def test_figures_of_samples_by_hand() -> None:
    values = {
        "format": np.ones(4),
        "rank": np.array([1.0, 0.0, 0.5, 0.5]),  # two groups of two, of which one varies
        TOTAL: np.array([3.0, 1.0, 2.0, 2.0]),
    }
    figures = sampled_figures(values, 2, {"format": 1.0, "rank": 2.0})
    form, rank, total = figures["terms"]
    assert (form["mean"], form["zero_variance"], form["signal"]) == (1.0, 1.0, 0.0)
    assert (rank["mean"], rank["within"], rank["zero_variance"], rank["signal"]) == (0.5, 0.25, 0.5, 1.0)
    assert (total["mean"], total["within"], total["edges"][-1]) == (2.0, 0.5, 3.0)
    assert sum(rank["counts"]) == 4 and rank["counts"][10] == 2 and rank["quantiles"][1] == 0.5
    assert figures["correlation"] == [[None, None, None], [None, 1.0, 1.0], [None, 1.0, 1.0]]


def test_correlation() -> None:
    table = correlation([np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0]), np.array([2.0, 1.0, 0.0])])
    assert table == [[1.0, None, -1.0], [None, None, None], [-1.0, None, 1.0]]
    assert correlation([np.zeros(3)]) == [[None]]


@pytest.fixture
def rewards(world: Any) -> Rewards:
    return Rewards(PAPER, world.semantic_ids, world.places, 3, False)


def test_degenerate_answers(world: Any, rewards: Rewards) -> None:
    t = world.semantic_ids.texts
    prompts = [f"at h1 {t[4]} f3 {t[2]} {t[4]} {t[0]} {t[9]}", "at h1"]
    draw = np.random.default_rng(0)
    found = degenerate_answers(prompts, np.array([11, 3]), rewards, world.semantic_ids, draw)
    assert found["the most popular places, always"] == [t[11] + t[10] + t[9]] * 2  # visits: 0, 1, .., 11
    assert found["the rarest places, always"] == [t[0] + t[1] + t[2]] * 2
    assert found["the prompt's places, copied in order"] == [t[4] + t[2] + t[0], ""]
    assert found[REFERENCE] == [t[11] + t[10] + t[9], t[3] + t[11] + t[10]]
    values = {name: earned(rewards, texts, np.array([11, 3])) for name, texts in found.items()}
    for name in ("the most popular place, k times", "nothing", "no list"):
        assert not any(column.any() for column in values[name].values())
    assert values[REFERENCE][TOTAL] == pytest.approx(3.5)
    assert (values["random places"]["format"] == 1).all()


def test_hints_say_what_is_wrong() -> None:
    row = {"term": "format", "weight": 0.5, "zero_variance": 1.0, "mean": 1.0}
    rank = {"term": "rank", "weight": 2.0, "zero_variance": 0.9, "mean": 0.2}
    soft = {"term": "soft", "weight": 1.0, "zero_variance": 0.9, "mean": 0.2}
    total = {"term": TOTAL, "weight": 1.0, "zero_variance": 0.9, "mean": 0.7}
    matrix = [[None] * 4, [None, 1.0, 0.97, 1.0], [None, 0.97, 1.0, 1.0], [None, 1.0, 1.0, 1.0]]
    figures = {"terms": [row, rank, soft, total], "correlation": matrix}
    answers = [{"answer": "popular", TOTAL: 0.9}, {"answer": REFERENCE, TOTAL: 3.5}]
    found = hints({"samplers": {"constrained": figures}, "answers": answers})
    assert [hint.split()[0] for hint in found] == ["format", "90%", "'popular'", "rank"]
    assert "its weight changes nothing" in found[0] and "r = 0.97" in found[3]
    quiet = {"terms": [rank | {"zero_variance": 0.1}, total | {"zero_variance": 0.1}], "correlation": [[1.0, 0.9]] * 2}
    assert hints({"samplers": {"free": quiet}, "answers": [{"answer": "popular", TOTAL: 0.1}]}) == []


def test_the_whole_report(world: Any, make_context: Any) -> None:
    def make(name: str) -> Any:
        context = make_context(name)
        inputs = world.warm_start, world.prompts, world.semantic_ids, world.places
        report = look(context, world.spec, PAPER, *inputs)
        report.save(context.folder)
        return context.folder, report.content

    folder, content = make("one")
    assert list(content["samplers"]) == ["constrained", "free"]
    for sampler, figures in content["samplers"].items():
        terms = {row["term"]: row for row in figures["terms"]}
        assert set(terms) == {*PAPER.weights.model_dump(), TOTAL} and terms["novelty"]["weight"] == 0.0
        assert (figures["prompts"], figures["group"]) == (24, 4)
        assert sum(terms["rank"]["counts"]) == 24 * 4
        assert (terms["format"]["zero_variance"] == 1.0) == (sampler == "constrained")
        assert sum(row["signal"] for name, row in terms.items() if name != TOTAL) == pytest.approx(1.0, abs=1e-3)
    assert "format is constant under the constrained sampler: its weight changes nothing" in content["hints"]
    page = (folder / "pictures" / "rewards.html").read_text()
    assert page.count("data:image/png;base64,") == 2 and "the most popular places, always" in page
    assert {file.name for file in (folder / "pictures").glob("*.png")} == {
        "rewards_constrained.png", "rewards_free.png"
    }  # fmt: skip
    assert RewardReport.load(folder).content == json.loads(json.dumps(content))
    again, _ = make("two")
    for file in ("rewards.json", "pictures/rewards.html"):
        assert (folder / file).read_bytes() == (again / file).read_bytes()


def test_without_grpo_there_is_nothing_to_report() -> None:
    with pytest.raises(ConfigurationError, match=r"grpo: off, but goal=reward_report"):
        check(["goal=reward_report", "grpo=off"], multirun=False)
