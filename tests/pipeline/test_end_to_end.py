"""The whole road through the real command line, on a very small city."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from command import last_line, refinepoi
from small import SMALL

ROOT = Path(__file__).resolve().parents[2]


def stages(run: Path) -> dict[str, dict[str, object]]:
    return json.loads((run / "metrics.json").read_text())["stages"]


def test_a_run_leaves_everything_behind(first: tuple[Path, Path, str]) -> None:
    _, run, console = first
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"protocol", "samples", "methods", "strata", "stages", "validation"} <= set(metrics)
    assert {"policy", "warm_start", "counters_e", "counters_d", "hour_frequency", "popularity"} <= set(
        metrics["methods"]
    )
    for method in metrics["methods"].values():
        assert {"Acc@1", "Acc@5", "Acc@10", "MRR"} <= set(method)
        assert 0 <= method["Acc@1"] <= method["Acc@5"] <= method["Acc@10"] <= 1
    assert metrics["methods"]["policy"]["invalid_rate"] == 0
    assert metrics["samples"] > 0 and not any(stage["hit"] for stage in metrics["stages"].values())
    table = pl.read_parquet(run / "predictions.parquet").filter(pl.col("method") == "policy")
    lists = table.group_by("query").agg(pl.col("poi").n_unique().alias("distinct"), pl.len().alias("length"))
    assert lists["distinct"].unique().to_list() == lists["length"].unique().to_list() == [10]
    pictures = ("pictures/curves.png", "pictures/methods.png", "pictures/ids.html")
    for name in ("config.yaml", "run.log", "table.md", *pictures):
        assert (run / name).stat().st_size > 100, name
    assert len(list((run / "pictures").glob("*.png"))) >= 4
    assert "Warning" not in console and "Traceback" not in console, console


def test_the_same_run_only_reads(first: tuple[Path, Path, str]) -> None:
    folder, run, _ = first
    done = refinepoi(folder, *SMALL)
    again = last_line(done)
    assert again != run and all(stage["hit"] for stage in stages(again).values())
    before, after = (json.loads((r / "metrics.json").read_text()) for r in (run, again))
    assert before["methods"] == after["methods"]


def test_an_ensemble_is_one_row_more(first: tuple[Path, Path, str]) -> None:
    folder, run, _ = first
    words = ["ensemble=loglinear", "ensemble.counters=[user_count,user_hour_1h]", "tracking=off"]
    mixed = last_line(refinepoi(folder, *SMALL, *words))
    assert {name for name, stage in stages(mixed).items() if not stage["hit"]} == {"ensemble", "metrics"}
    before, after = (json.loads((r / "metrics.json").read_text())["methods"] for r in (run, mixed))
    assert set(after) - set(before) == {"ensemble"} and after["policy"] == before["policy"]
    assert after["ensemble"]["MRR"] > after["popularity"]["MRR"]


def test_a_sweep_of_reward_weights_redoes_only_the_last_stages(swept: tuple[Path, Path]) -> None:
    _, sweep = swept
    outcomes = [json.loads((sweep / str(n) / "outcome.json").read_text()) for n in (0, 1)]
    assert [o["status"] for o in outcomes] == ["done", "done"]
    for n in (0, 1):
        made = {name for name, stage in stages(sweep / str(n)).items() if not stage["hit"]}
        assert made == {"policy", "predictions", "metrics"}


def test_killed_twice_in_another_store_and_started_again_gives_the_same_bytes(
    first: tuple[Path, Path, str], tmp_path: Path
) -> None:
    """SIGKILL while the encoder is trained and while the policy is; the end is that of the uninterrupted run.

    Moments inside a training are those of `unit/{sft,grpo}/test_kill.py`.
    """
    folder, run, _ = first
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "refinepoi", *SMALL, "tracking=off"]
    nowhere = subprocess.DEVNULL
    for stage in ("train_encoder", "train_grpo"):
        job = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=nowhere, stderr=nowhere)
        while job.poll() is None and not list(tmp_path.glob(f"artifacts/.partial/{stage}-*")):
            time.sleep(0.01)
        job.send_signal(signal.SIGKILL)
        assert job.wait() == -signal.SIGKILL
        assert list(tmp_path.glob(f"artifacts/.partial/{stage}-*")), "killed in the middle"
    other = last_line(refinepoi(tmp_path, *SMALL, "tracking=off"))
    hits = {name for name, stage in stages(other).items() if stage["hit"]}
    assert "warm_start" in hits and "policy" not in hits
    for name, stage in stages(run).items():
        manifests = [
            json.loads((root / "artifacts" / stage["stage"] / stage["key"] / "manifest.json").read_text())
            for root in (folder, tmp_path)
        ]
        differing = {f for f, d in manifests[0]["files"].items() if d != manifests[1]["files"].get(f)}
        assert not differing - {"curve.json"}, (name, differing)
    assert (other / "predictions.parquet").read_bytes() == (run / "predictions.parquet").read_bytes()
    end = json.loads((other / "metrics.json").read_text())
    assert end["methods"] == json.loads((run / "metrics.json").read_text())["methods"]


@pytest.mark.parametrize(
    "words",
    [
        ["seeed=1"],
        ["reward.weights.rank=-1"],
        ["dataset=nyc"],
        ["dataset=nyc", "dataset.path=/no/where"],
        ["a=1", "b=2"],
    ],
    ids=" ".join,
)
def test_refusals_leave_with_2_and_no_folder(words: list[str], tmp_path: Path) -> None:
    done = refinepoi(tmp_path, *words, check=False)
    assert done.returncode == 2 and "configuration" in done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())
