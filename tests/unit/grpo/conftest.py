"""A world small enough to train in seconds: 12 places, a prompt names the hour, the hour decides the place."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from options import option
from runtimes import runtime

from refinepoi.artifacts import prompts as prompt_tables
from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories
from refinepoi.core.stage import Artifact, Context
from refinepoi.core.tracking import StageLog
from refinepoi.grpo.spec import GrpoTrain
from refinepoi.model.spec import PretrainedModel, ScratchModel
from refinepoi.reward.places import Places
from refinepoi.reward.spec import RewardSpec

PLACES, K = 12, 3
QUIET = {
    "window": 1000, "zero_variance": 1.0, "entropy": 0.0, "length": 0.0, "hacking_validations": 0, "hacking_drop": 0.0,
}  # fmt: skip
CATALOGUE = Places(
    pl.DataFrame(
        {
            "category": [f"kind {n % 3}" for n in range(PLACES)],
            "latitude": np.linspace(40.0, 40.1, PLACES),
            "longitude": np.zeros(PLACES),
        }
    ),
    np.arange(PLACES),
)


@dataclass(frozen=True)
class World:
    prompts: Prompts
    semantic_ids: SemanticIds
    model: ScratchModel
    reward: RewardSpec
    warm_start: Policy
    places: Places
    spec: GrpoTrain
    """A few steps; use `changed`."""

    def changed(self, **values: Any) -> GrpoTrain:
        return GrpoTrain(**{**self.spec.model_dump(), **values})


def make_prompts(ids: SemanticIds) -> Prompts:
    draw = np.random.default_rng(0)
    hours = draw.integers(0, PLACES, 72)
    lengths = draw.integers(1, 4, 72)  # prompts of different lengths, so that batches are padded
    table = pl.DataFrame(
        {
            "query": np.arange(72),
            "split": np.repeat([0, 1, 2], 24),
            "prompt": [f"{'at ' * n}h{h}" for h, n in zip(hours, lengths, strict=True)],
            "answer": ["".join(ids.texts[(h + j) % PLACES] for j in range(K)) for h in hours],
            "ranked": [ids.texts[h] for h in hours],
            "target": hours,
        },
        schema=prompt_tables.TABLE,
    )
    facts = {"budget": 8, "longest_answer": 2 * K + 1, "reasoning": False}
    words = tuple(sorted(["at", *(f"h{h}" for h in range(PLACES))]))
    return Prompts(table, pl.DataFrame(schema=prompt_tables.STREAMS), words, ids.tokens, K, facts)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    import refinepoi.grpo.train  # noqa: F401  (what libraries print when they are first imported is not the run's)
    from refinepoi.model.load import build, save

    cells = np.random.default_rng(1).choice(16, PLACES, replace=False)
    ids = SemanticIds(np.stack(np.divmod(cells, 4), 1).astype(np.int32), ((2, 2), (2, 2)), "nearest_free")
    prompts = make_prompts(ids)
    model = ScratchModel(
        kind="scratch", architecture="qwen3", hidden=32, layers=2, heads=2, kv_heads=1, intermediate=48, tie=True,
        init=0.2, id_init="random", rope_theta=1e4, start="random", seed=0,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("warm") / "model"
    save(build(model, prompts, ids), folder)
    few = {
        "seed": 0, "num_generations": 4, "prompts_per_step": 4, "steps": 4, "credit": "list", "max_new_tokens": 8,
        "learning_rate": 5e-3, "schedule": "constant", "warmup": 0.0, "loss_type": "dr_grpo", "scale_rewards": "group",
        "eval_every": 2, "eval_queries": 16, "save_every": 2, "alerts": QUIET,
    }  # fmt: skip
    spec = GrpoTrain(**{**option("grpo", "default"), **few})
    reward = RewardSpec(**option("reward", "paper"))
    return World(prompts, ids, model, reward, Policy(folder), CATALOGUE, spec)


@pytest.fixture
def make_context(tmp_path: Path) -> Callable[..., Context]:
    def make(name: str = "run", micro_batch: int = 16) -> Context:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return Context(folder, runtime(micro_batch=micro_batch), StageLog("train_grpo"), "train_grpo")

    return make


@pytest.fixture
def run(world: World, make_context: Callable[..., Context]) -> Callable[..., tuple[Policy, Context]]:
    """run(name, micro_batch, **changes to the spec) -> (policy, context)."""

    def start(
        name: str = "run",
        micro_batch: int = 16,
        model: ScratchModel | PretrainedModel | None = None,
        reward: RewardSpec | None = None,
        warm_start: Policy | None = None,
        **changes: Any,
    ) -> tuple[Policy, Context]:
        from refinepoi.grpo.train import train

        context = make_context(name, micro_batch)
        spec = world.changed(**changes)
        policy = train(
            context, spec, reward or world.reward, model or world.model, warm_start or world.warm_start, world.prompts,
            world.semantic_ids, world.places,
        )  # fmt: skip
        return policy, context

    return start


@pytest.fixture(scope="session")
def stored(world: World, tmp_path_factory: pytest.TempPathFactory) -> list[Artifact[Any]]:
    """The inputs of the stage as the store would hand them in; each place was visited once."""
    places = pl.DataFrame([(f"p{i}", "c", "bar", 40.0, -74.0, True) for i in range(PLACES)], schema=POIS, orient="row")
    visits = pl.DataFrame([(0, i, i, i, 0, 0) for i in range(PLACES)], schema=CHECKINS, orient="row")
    users = pl.DataFrame({"user_id": ["u"]})
    trajectories = Trajectories(visits, places, users, pl.DataFrame(schema=QUERIES), {})
    folder, handles = tmp_path_factory.mktemp("inputs"), list[Artifact[Any]]()
    for value in (world.warm_start, world.prompts, world.semantic_ids, trajectories):
        name = type(value).__name__
        (folder / name).mkdir()
        value.save(folder / name)
        handles.append(Artifact(name, name, folder / name, type(value)))
    return handles
