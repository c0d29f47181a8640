"""Finished runs on a small city, made by the real pipeline; models are not trained: an answer is an answer."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.launching.composition import check
from refinepoi.launching.job import run_job
from refinepoi.recommend.clock import Moment
from refinepoi.recommend.recommender import Recommender
from refinepoi.recommend.run import Handles

SMALL = [
    "dataset.city.users=30", "dataset.city.pois=70", "dataset.city.days=60", "dataset.protocol.train_queries=last",
    "quantizer=random", "quantizer.levels=[8x8,8x8]", "encoder.epochs=1", "model.hidden=32", "model.layers=2",
    "model.heads=2", "model.kv_heads=2", "model.intermediate=64", "model.init=0.3", "sft=off", "grpo=off",
    "tracking=off", "runtime.progress=false", "runtime.device=cpu", "goal=predictions",
]  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One held-out sample of the protocol, as a user would ask it."""

    query: int
    user: str
    when: Moment
    prompt: str
    history: list[dict[str, object]]


@dataclass(frozen=True)
class Run:
    folder: Path
    store: Path
    trajectories: Trajectories
    prompts: Prompts
    recommender: Recommender

    def samples(self) -> list[Asked]:
        """Every validation and test query, with all earlier visits of its user as rows."""
        t = self.trajectories
        pois, users = t.pois["poi_id"].to_list(), t.users["user_id"].to_list()
        texts = dict(zip(self.prompts.table["query"], self.prompts.table["prompt"], strict=True))
        asked = []
        for query, (split, user, row) in enumerate(t.queries.select("split", "user", "row").iter_rows()):
            if split == SPLITS.index("train"):
                continue
            utc, local = t.checkins["utc"][row], t.checkins["local"][row]
            mine = t.checkins.filter((t.checkins["user"] == user) & (t.checkins["utc"] < utc))
            history = [
                {"poi": pois[poi], "time": Moment(at, clock).text(), "trip": str(trip)}
                for poi, at, clock, trip in mine.select("poi", "utc", "local", "trajectory").iter_rows()
            ]
            asked.append(Asked(query, users[user], Moment(utc, local), texts[query], history))
        return asked


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    store = tmp_path_factory.mktemp("store")

    @cache
    def make(*words: str) -> Run:
        folder = tmp_path_factory.mktemp("run")
        pretrained = any(word.startswith("model=") for word in words)
        small = [word for word in SMALL if not (pretrained and word.startswith("model."))]
        run_job(check([*small, f"runtime.store={store}", *words], False).jobs[0].experiment, folder, [])
        found = Handles(folder)
        return Run(folder, store, found.trajectories.load(), found.prompts.load(), Recommender.load(folder))

    return make


@pytest.fixture(scope="session")
def run(make_run: Callable[..., Run]) -> Run:
    return make_run()
