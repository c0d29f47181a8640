"""A world small enough to train in seconds: 12 places; a prompt lists five of them, each after a word for its score."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from runtimes import runtime

from refinepoi.artifacts import prompts as prompt_tables
from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.stage import Artifact, Context
from refinepoi.core.tracking import StageLog
from refinepoi.model.spec import ScratchModel
from refinepoi.sft.spec import AlignmentPhase, AnswerPhase, ListPhase, StreamPhase, TrainSft

PLACES, K = 12, 3


@dataclass(frozen=True)
class World:
    prompts: Prompts
    streams: Prompts
    """The same with training streams: every third place follows the one before."""
    semantic_ids: SemanticIds
    model: ScratchModel
    spec: TrainSft

    def changed(self, **values: Any) -> TrainSft:
        """`changed(answers={"epochs": 2}, patience=1)`: phases are merged, the rest replaced."""
        dump = self.spec.model_dump()
        return TrainSft(**{k: {**v, **values.get(k, {})} if isinstance(v, dict) else values.get(k, v)
                           for k, v in dump.items()})  # fmt: skip


def make_prompts(ids: SemanticIds, streams: bool) -> Prompts:
    draw = np.random.default_rng(0)
    rows = []
    for query in range(96):
        shown = draw.permutation(PLACES)[: draw.integers(K, 6)]
        best = int(draw.integers(len(shown)))
        words = ["high" if i == best else "low" for i in range(len(shown))]
        target = int(shown[best]) if query % 8 else int(draw.integers(PLACES))  # a few are not where the words say
        others = [int(p) for p in shown if p != target][: K - 1]
        answer = "".join(ids.texts[p] for p in [target, *others])
        ranked = [int(p) for p in shown[:K]]
        if query % 8 == 3:  # a few end with a place that is not shown
            ranked[-1] = next(p for p in range(PLACES) if p not in shown)
        rows.append((query, query // 64, " ".join(f"{w} {ids.texts[p]}" for w, p in zip(words, shown, strict=True)),
                     answer, "".join(ids.texts[p] for p in ranked), target))  # fmt: skip
    table = pl.DataFrame(rows, schema=prompt_tables.TABLE, orient="row")
    texts = [" ".join(ids.texts[(s + 3 * i) % PLACES] for i in range(4 + s % 3)) for s in range(24)] if streams else []
    facts = {"budget": 200, "longest_answer": 2 * K + 1, "reasoning": False}
    text = pl.DataFrame({"text": texts}, schema=prompt_tables.STREAMS)
    return Prompts(table, text, ("high", "low"), ids.tokens, K, facts)


@pytest.fixture(scope="session")
def world() -> World:
    cells = np.random.default_rng(1).choice(16, PLACES, replace=False)
    ids = SemanticIds(np.stack(np.divmod(cells, 4), 1).astype(np.int32), ((2, 2), (2, 2)), "nearest_free")
    model = ScratchModel(
        kind="scratch", architecture="llama", hidden=32, layers=2, heads=2, kv_heads=2, intermediate=48, tie=True,
        init=0.05, id_init="random", rope_theta=1e6, start="copying",
        seed=0,
    )  # fmt: skip
    common: dict[str, Any] = {"batch_size": 8, "learning_rate": 5e-3, "schedule": "cosine", "warmup": 0.1}
    spec = TrainSft(
        kind="train", seed=0,
        alignment=AlignmentPhase(epochs=0, tasks=("place", "find", "near"), **common),
        streams=StreamPhase(epochs=1, supervise="ids", **common),
        answers=AnswerPhase(
            epochs=1, min_steps=0, first_item_weight=2.0, absent_target="skip", imitate=0.25, relabel=0.5, **common
        ),
        lists=ListPhase(epochs=1, first_share=0.5, **common),
        weight_decay=0.01, beta2=0.99, max_grad_norm=1.0, precision="float32",
        log_every=2, eval_every=4, eval_queries=16, patience=0, save_every=2,
    )  # fmt: skip
    return World(make_prompts(ids, False), make_prompts(ids, True), ids, model, spec)


@pytest.fixture
def make_context(tmp_path: Path) -> Callable[..., Context]:
    def make(name: str = "run", micro_batch: int = 8) -> Context:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return Context(folder, runtime(micro_batch=micro_batch), StageLog("train_sft"), "train_sft")

    return make


@pytest.fixture
def run(world: World, make_context: Callable[..., Context]) -> Callable[..., tuple[Policy, Context]]:
    """run(name, micro_batch, streams, **changes to the spec) -> (policy, context)."""

    def start(name: str = "run", micro_batch: int = 8, streams: bool = False, **changes: Any) -> tuple[Policy, Context]:
        from refinepoi.sft.train import train

        context = make_context(name, micro_batch)
        prompts = world.streams if streams else world.prompts
        return train(context, world.changed(**changes), world.model, prompts, world.semantic_ids), context

    return start


@pytest.fixture(scope="session")
def stored(world: World, tmp_path_factory: pytest.TempPathFactory) -> list[Artifact[Any]]:
    """The inputs of the stage as the store would hand them in: prompts with streams, semantic IDs."""
    folder, handles = tmp_path_factory.mktemp("inputs"), list[Artifact[Any]]()
    for name, value in (("prompts", world.streams), ("semantic_ids", world.semantic_ids)):
        (folder / name).mkdir()
        value.save(folder / name)
        handles.append(Artifact(name, name, folder / name, type(value)))
    return handles
