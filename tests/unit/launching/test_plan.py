"""Plans: the keys are the real ones, equal points are found, nothing is built, costs follow the work asked for."""

import json
from pathlib import Path

import pytest
from folders import model_folder

from refinepoi.core.store import MANIFEST, Store
from refinepoi.core.tracking import NoTracker
from refinepoi.launching import cost
from refinepoi.launching.composition import check
from refinepoi.launching.plan import plan, plan_table, records
from refinepoi.pipeline import Pipeline

TINY = ["dataset.city.users=40", "dataset.city.pois=80", "dataset.city.days=60", "runtime.progress=false"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def launch(*words: str):
    return plan(check([*TINY, *words], multirun=any("," in w for w in words)).jobs)


def test_planned_keys_are_those_of_the_run(here: Path) -> None:
    experiment = check([*TINY, "goal=features"], multirun=False).jobs[0].experiment
    planned = records(experiment)
    assert not any(record["hit"] for record in planned.values()) and not list(here.iterdir())
    store = Store(here / "artifacts", experiment.runtime, NoTracker())
    Pipeline(experiment, store).features  # noqa: B018
    assert {n: r["key"] for n, r in planned.items()} == {n: r["key"] for n, r in store.records.items()}
    again = records(experiment)
    assert all(record["hit"] for record in again.values())


def test_a_sweep_shares_what_is_common(here: Path) -> None:
    found = launch("grpo.seed=0,1,2", "goal=metrics")
    firsts = {name: [] for name in ("embeddings", "warm_start", "policy")}
    for steps in found.steps:
        for step in steps:
            if step.name in firsts:
                firsts[step.name].append(step.first)
    assert firsts == {"embeddings": [0, 0, 0], "warm_start": [0, 0, 0], "policy": [0, 1, 2]}
    costs = [sum(step.cost is not None for step in steps) for steps in found.steps]
    assert costs[0] > costs[1] == costs[2] == 3
    text = plan_table(found)
    assert "plan of 3 jobs" in text and "grpo.seed=2" in text and text.count("embeddings") == 1


DOUBLED = "{format: 1.0, rank: 4.0, soft: 1.0, distinct: 0.5, length: 0.5}"


@pytest.mark.parametrize(
    ("words", "jobs", "same"),
    [
        ([f"reward.weights={{rank: 2.0}},{DOUBLED},{{rank: 3.0}}"], 2, [0]),
        ([f"reward.weights={{rank: 2.0}},{DOUBLED}", "grpo.scale_rewards=none"], 2, []),
        (["grpo.seed=0,1,0"], 2, [0]),
        (["runtime.threads=1,2"], 2, []),
        (["evaluation.decoding.k=10,10"], 1, [0]),
    ],
    ids=["scaled weights", "scale matters without normalisation", "written twice", "other runtime", "equal"],
)
def test_equal_points_are_dropped(here: Path, words: list[str], jobs: int, same: list[int]) -> None:
    found = launch(*words)
    assert len(found.jobs) == jobs and [number for _, number in found.dropped] == same
    assert all(overrides in plan_table(found) for overrides, _ in found.dropped)


def test_costs_follow_the_work(here: Path) -> None:
    """A manifest of the nearest settings is scaled by steps; without one a rule of thumb answers."""
    experiment = check([*TINY, "grpo.steps=80"], multirun=False).jobs[0].experiment
    record = records(experiment)["policy"]
    rule = cost.estimate("train_grpo", record["arguments"], experiment, here / "artifacts")
    assert not rule.measured and rule.seconds > 0 and rule.tokens and rule.memory_mb > 100
    folder = here / "artifacts" / "train_grpo" / "k"
    folder.mkdir(parents=True)
    arguments = [
        a.model_dump(mode="json") if hasattr(a, "model_dump") else {"artifact": a.stage, "key": a.key}
        for a in record["arguments"]
    ]
    manifest = {"arguments": arguments, "seconds": 40.0, "made": "2026-01-01T00:00:00+00:00",
                "cost": {"tokens": 1e6, "memory_mb": 512.0}}  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest))
    cost._manifests.cache_clear()
    half = check([*TINY, "grpo.steps=40"], multirun=False).jobs[0].experiment
    known = cost.estimate("train_grpo", records(half)["policy"]["arguments"], half, here / "artifacts")
    assert known == cost.Cost(20.0, 5e5, 512.0, measured=True)
    cost._manifests.cache_clear()


def test_so_many_cities_are_so_much_work(here: Path) -> None:
    def planned(cities: int, manifests: Path) -> list[float]:
        experiment = check([*TINY, f"dataset.cities={cities}", "goal=prompts"], multirun=False).jobs[0].experiment
        made = records(experiment)
        names = {"trajectories": "make_trajectories", "evidence": "count_evidence"}
        return [cost.estimate(s, made[n]["arguments"], experiment, manifests).seconds for n, s in names.items()]

    one, ten = planned(1, here / "artifacts"), planned(10, here / "artifacts")
    assert all(many > few for few, many in zip(one, ten, strict=True))
    specs = [{"city": {"users": 4, "days": 6}, "cities": cities} for cities in (1, 10)]
    assert cost._work([specs[1]]) == 10 * cost._work([specs[0]])


def test_the_plan_says_how_large_the_model_is(here: Path) -> None:
    model_folder(here / "model")
    config = {  # of a large model; a plan reads no weights
        "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"],
        "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8,
        "head_dim": 128, "intermediate_size": 3072, "vocab_size": 151936, "tie_word_embeddings": True,
    }  # fmt: skip
    (here / "model" / "config.json").write_text(json.dumps(config))
    text = plan_table(launch("model=local", f"model.path={here}/model", "goal=warm_start"))
    assert f"model: {here}/model, 606.2 M weights, 10.2 M trained, 41 MB a policy, 2.5 GB for training" in text
    assert "model:" not in plan_table(launch("goal=semantic_ids"))


def test_parameters_of_a_model_are_counted() -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    spec = check([], multirun=False).jobs[0].experiment.model
    with torch.device("meta"):
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=cost.VOCABULARY, hidden_size=spec.hidden, num_hidden_layers=spec.layers,
                num_attention_heads=spec.heads, num_key_value_heads=spec.kv_heads, head_dim=spec.hidden // spec.heads,
                intermediate_size=spec.intermediate, tie_word_embeddings=True,
            )
        )  # fmt: skip
    real = sum(p.numel() for p in model.parameters())
    assert abs(cost.parameters(spec.model_dump(mode="json")) - real) < 0.02 * real
