"""Run folders made by hand, so that what a report must say of them is known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from refinepoi.evaluation.score import worth
from refinepoi.report.spec import ReportSpec

KS = (1, 5, 10)
SAMPLES = {1: 40, 2: 60}
"""Validation and test samples."""
CONFIG = {
    "name": "made", "goal": "metrics", "seed": 0, "dataset": {"kind": "city", "seed": 7},
    "quantizer": {"levels": ["8x8", "8x8"], "seed": 0}, "model": {"hidden": 32, "layers": 2},
    "reward": {"weights": {"rank": 1.0, "soft": 0.5}}, "grpo": {"seed": 0, "steps": 10},
    "evaluation": {"scoring": {"resamples": 100}}, "tracking": {"kind": "off"}, "runtime": {"store": "artifacts"},
}  # fmt: skip

MakeRun = Callable[..., Path]


def ranks_for(quality: float, seed: int) -> dict[int, np.ndarray]:
    """Ranks of a method: the higher its quality, the more targets come first. NaN where it gives no list."""
    draw = np.random.default_rng(seed)
    ranks = {}
    for split, n in SAMPLES.items():
        rank = draw.geometric(quality, n).astype(np.float64)
        rank[rank > 10] = np.inf
        rank[draw.random(n) < 0.02] = np.nan
        ranks[split] = rank
    return ranks


@pytest.fixture
def make_run(tmp_path: Path, maker: Callable[[Path], MakeRun]) -> MakeRun:
    """make_run("0", quality=.3, draw=1, **{"reward.weights.rank": 2.0}) -> its folder."""
    return maker(tmp_path / "runs")


@pytest.fixture(scope="session")
def maker() -> Callable[[Path], MakeRun]:
    """What makes runs below a folder."""
    return run_maker


def run_maker(root: Path) -> MakeRun:
    def make(
        name: str, /, quality: float = 0.3, draw: int = 0, protocol: dict[str, Any] | None = None, error: str = "",
        overrides: tuple[str, ...] = (), method: str = "counters_e", **settings: Any,
    ) -> Path:  # fmt: skip
        folder = root / name
        (folder / "pictures").mkdir(parents=True)
        config = json.loads(json.dumps(CONFIG))
        for key, value in settings.items():
            *parents, last = key.split(".")
            node = config
            for parent in parents:
                node = node[parent]
            node[last] = value
        (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        words = [*overrides, *(f"{key}={value}" for key, value in settings.items())]
        outcome = {"status": "failed" if error else "done", "overrides": words} | ({"error": error} if error else {})
        (folder / "outcome.json").write_text(json.dumps(outcome), encoding="utf-8")
        if error:
            return folder
        ranks = {"policy": ranks_for(quality, draw), "warm_start": ranks_for(0.2, 91), method: ranks_for(0.35, 92)}
        frames = [
            pl.DataFrame(
                {
                    "method": name_, "query": pl.Series(np.arange(len(rank)) + 1000 * split, dtype=pl.Int32),
                    "split": pl.Series([split] * len(rank), dtype=pl.Int8),
                    "user": pl.Series(np.arange(len(rank)) // 4, dtype=pl.Int32),
                    "target": pl.Series(np.arange(len(rank)) % 9, dtype=pl.Int32), "rank": rank,
                }
            )
            for name_, by_split in ranks.items() for split, rank in by_split.items()
        ]  # fmt: skip
        pl.concat(frames).write_parquet(folder / "ranks.parquet")
        tables = {
            split: {m: {x: float(v.mean()) for x, v in worth(r[split], KS).items()} for m, r in ranks.items()}
            for split in SAMPLES
        }
        half = {"samples": 30, "methods": tables[2], "range": [1.0, 4.0]}
        metrics = {
            "protocol": {"dataset": "city", "split": "global time", "samples": "sthgcn", "history": "all",
                         "target_time": "known", "catalogue": 86, "list_lengths": {"policy": 10}, "ranks_over": {},
                         "intervals": "", **(protocol or {})},
            "samples": SAMPLES[2], "methods": tables[2], "paired": {f"policy - {method}": {}},
            "validation": {"samples": SAMPLES[1], "methods": tables[1], "paired": {}},
            "strata": {"activity": {"low": half, "high": half | {"range": [5.0, 9.0]}}},
            "stages": {
                stage: {"stage": stage, "key": f"{stage}-{name}", "hit": stage != "policy", "seconds": 1.5,
                        "built_in_seconds": 1.5, "pictures": ["level_1.png"] if stage == "semantic_ids" else []}
                for stage in ("semantic_ids", "warm_start", "policy")
            },
        }  # fmt: skip
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
        steps = range(5)
        rewards = [
            {"step": s, "reward": s + draw, "reward/rank": quality * s, "validation/MRR": 0.1 * s} for s in steps
        ]
        curves = {"policy": rewards, "semantic_ids": [{"step": 1, "ids/collision_rate": 0.25 + draw}]}
        (folder / "curves.json").write_text(json.dumps(curves), encoding="utf-8")
        Image.new("RGB", (1200, 600), (int(50 * quality), draw, 90)).save(folder / "pictures" / "level_1.png")
        return folder

    return make


@pytest.fixture
def spec(tmp_path: Path) -> ReportSpec:
    return ReportSpec(
        runs=(str(tmp_path / "runs"),), reference=None, metric="MRR", resamples=400, confidence=0.95, unit="sample",
        seed=0, formats=("html", "markdown", "latex", "csv"),
    )  # fmt: skip
