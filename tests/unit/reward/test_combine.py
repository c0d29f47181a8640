"""The terms as TRL sees them."""

import time

import numpy as np
import polars as pl
import pytest
from options import option
from pydantic import ValidationError

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.spec import Spec
from refinepoi.reward.answers import Answers
from refinepoi.reward.combine import Rewards
from refinepoi.reward.places import Places
from refinepoi.reward.spec import RewardSpec, RewardWeights

PAPER = option("reward", "paper")
WEIGHTS = PAPER["weights"]


def catalogue(places: int = 1000) -> SemanticIds:
    cells = np.random.default_rng(0).choice(256 * 256, places, replace=False)
    return SemanticIds(np.stack(np.divmod(cells, 256), 1).astype(np.int32), ((16, 16), (16, 16)), "nearest_free")


def spec(**weights: float) -> RewardSpec:
    return RewardSpec(**{**PAPER, "weights": {**WEIGHTS, **weights}})


def terms_of(spec: RewardSpec, ids: SemanticIds) -> Rewards:
    count = len(ids.texts)
    table = pl.DataFrame({"category": ["x"] * count, "latitude": np.zeros(count), "longitude": np.zeros(count)})
    return Rewards(spec, ids, Places(table, np.ones(count, np.int64)), 10, False)


def test_functions_carry_the_names_and_weights_of_the_spec() -> None:
    rewards = terms_of(spec(soft=0.0, novelty=0.1), catalogue())
    assert [f.__name__ for f in rewards.functions()] == ["format", "rank", "distinct", "length", "novelty"]
    assert rewards.weights == [0.5, 2.0, 0.25, 0.25, 0.1]


def test_a_term_of_weight_0_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, asked = catalogue(), []
    rewards = terms_of(spec(rank=0.0), ids)
    monkeypatch.setattr(rewards, "term", lambda name, *_: asked.append(name) or np.zeros(1))
    rewards.total(Answers.read(ids.texts[:1], ids), np.array([0]))
    assert asked == ["format", "soft", "distinct", "length"] == [f.__name__ for f in rewards.functions()]


def test_unit_weights_keep_the_ratios() -> None:
    user = {"file": "a.py", "function": "f", "weight": 1.5, "content": "x"}
    one = RewardSpec(**{**PAPER, "user": user}).in_unit_weights()
    assert sum(one.active.values()) == pytest.approx(1.0)
    assert one.active["user"] / one.active["rank"] == pytest.approx(0.75)


def test_functions_return_one_float_for_each_completion() -> None:
    ids = catalogue()
    good = "".join(ids.texts[:10])
    functions = {f.__name__: f for f in terms_of(spec(), ids).functions()}
    completions, target = [good, "", good], [3, 3, 999]
    values = {
        n: f(prompts=[""] * 3, completions=completions, target=target, split=[0] * 3) for n, f in functions.items()
    }
    assert values["rank"] == [0.25, 0.0, 0.0]
    assert values["format"] == values["distinct"] == values["length"] == [1.0, 0.0, 1.0]
    assert values["soft"][0] > 0 and all(isinstance(v, float) for v in values["soft"])
    again = [ids.texts[5]]  # another batch is read anew
    assert functions["rank"](completions=again, target=[5]) == [1.0]


def test_thousands_of_completions_a_second() -> None:
    ids = catalogue()
    draw = np.random.default_rng(1)
    completions = ["".join(ids.texts[p] for p in draw.choice(1000, 10, replace=False)) for _ in range(500)]
    functions, target = terms_of(spec(), ids).functions(), draw.integers(0, 1000, 500).tolist()
    ids.pois_of  # noqa: B018 (built once for a catalogue, not for a batch)
    start = time.process_time()
    for function in functions:
        function(completions=completions, target=target)
    assert 500 / (time.process_time() - start) > 2000


@pytest.mark.parametrize(
    "weights",
    [
        {"rank": -1.0},
        {"rank": float("nan")},
        {"rank": float("inf")},
        {"rank": "2"},
        dict.fromkeys(WEIGHTS, 0.0),
        {"fame": 1.0},
    ],
)
def test_refused_weights(weights: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        spec(**weights)


def test_every_term_has_a_weight() -> None:
    with pytest.raises(ValidationError, match="length"):
        RewardWeights(format=1.0, rank=1.0, soft=1.0, distinct=1.0)  # type: ignore[call-arg]
    assert issubclass(RewardSpec, Spec)
