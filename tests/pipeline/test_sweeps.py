"""Sweeps, resuming and reproducing through the real command line, on a very small city."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import small
from command import copy_store

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = sorted(file.stem for file in (ROOT / "multirun_sweeps").glob("*.yaml"))
SMALL = [*small.SMALL, "tracking=off"]


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "refinepoi", *words]
    return subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, cwd=folder, env=environment)


def refinepoi(folder: Path, *words: str, code: int = 0) -> str:
    job = start(folder, *words)
    out, _ = job.communicate()
    assert job.returncode == code, out
    return out


@pytest.fixture
def work(first: tuple[Path, Path, str]) -> Path:
    """A folder whose store holds everything that `SMALL` makes."""
    return first[0]


def built(folder: Path) -> Counter[str]:
    """How many artifacts the store holds, by stage."""
    return Counter(f.parent.parent.name for f in (folder / "artifacts").glob("[a-z]*/*/manifest.json"))


def test_a_plan_starts_nothing_and_tells_the_truth(tmp_path: Path) -> None:
    sweep = [*SMALL, "goal=baselines", "-m", "evidence.candidates=20,30", "baseline.folds=2,3"]
    planned = refinepoi(tmp_path, *sweep, "plan=true")
    assert "plan of 4 jobs" in planned and not list(tmp_path.iterdir())
    done = refinepoi(tmp_path, *sweep)
    assert "4 of 4 done" in done
    assert built(tmp_path) == {"make_trajectories": 1, "count_evidence": 2, "rank_by_counting": 4}
    assert len(re.findall(r"\bbuild\b", planned)) == built(tmp_path).total()
    assert refinepoi(tmp_path, *sweep, "plan=true").count("build") == 0


def test_a_failing_job_does_not_stop_the_others_and_is_resumed(work: Path, tmp_path: Path) -> None:
    sweep = [*SMALL, f"runtime.store={work}/artifacts", "goal=semantic_ids"]
    out = refinepoi(tmp_path, *sweep, "-m", "quantizer.levels=[2x2,2x2],[4x4,5x5],[6x6,6x6]", code=1)
    lines = out.splitlines()
    assert sum("failed" in line for line in lines) >= 2 and "2 of 3 done, 0 running, 1 failed" in out
    assert "run.log" in out and "1 of 3 jobs are not done" in out
    folder = Path(lines[-1])
    # The cause is removed by hand; settings stand in the folder.
    config = folder / "0" / "config.yaml"
    config.write_text(config.read_text().replace("collisions: nearest_free", "collisions: suffix"))
    before = {n: (folder / str(n) / "outcome.json").stat().st_mtime_ns for n in (1, 2)}
    out = refinepoi(tmp_path, f"resume={folder}")
    assert "3 of 3 done" in out and before == {n: (folder / str(n) / "outcome.json").stat().st_mtime_ns for n in (1, 2)}


def test_a_resumed_sweep_keeps_its_jobs_and_their_numbers(work: Path, tmp_path: Path) -> None:
    """Also with a dropped point, from another directory, and by another launcher's absence."""
    sweep = [*SMALL, f"runtime.store={work}/artifacts", "goal=trajectories"]
    sweep += [f'hydra.sweep.dir="{tmp_path}/it\'s a, sweep"']
    out = refinepoi(tmp_path, *sweep, "-m", "dataset.city.pois=80,80,90,100")
    folder = Path(out.splitlines()[-1])
    assert folder.name == "it's a, sweep" and "dropped: dataset.city.pois=80 comes to the same as job 0" in out
    (folder / "1" / "outcome.json").unlink()
    out = refinepoi(work, f"resume={folder}")
    assert "job 1 done | 3 of 3 done" in out and sorted(f.name for f in folder.iterdir() if f.name.isdigit()) == [
        *"012"
    ]
    told = json.loads((folder / "1" / "outcome.json").read_text())["overrides"]
    assert "dataset.city.pois=90" in told and "pois: 90" in (folder / "1" / "config.yaml").read_text()


def test_one_word_replaces_an_axis_of_a_sweep_file(work: Path, tmp_path: Path) -> None:
    out = refinepoi(tmp_path, *SMALL, "goal=trajectories", "multirun_sweeps=seeds", "seed=3")
    assert "1 of 1 done" in out


def test_one_bad_job_stops_a_sweep_before_it_starts(tmp_path: Path) -> None:
    out = refinepoi(tmp_path, "-m", "reward.weights.rank=1,-1,2,-3", "encoder.epochs=0", code=2)
    assert out.startswith("3 errors") and "got -1" in out and "got -3" in out and "encoder.epochs" in out
    assert not list(tmp_path.iterdir())


def test_stopped_by_a_signal_and_resumed_to_the_same_bytes(work: Path, tmp_path: Path) -> None:
    copy_store(work / "artifacts", tmp_path / "artifacts")
    job = start(tmp_path, *SMALL, "goal=policy", "grpo.steps=30", "grpo.save_every=1000")
    partial = tmp_path / "artifacts" / ".partial"
    for _ in range(600):
        if list(partial.glob("train_grpo-*/.work/best-0")):
            break
        time.sleep(0.1)
    job.send_signal(signal.SIGTERM)
    out, _ = job.communicate()
    assert job.returncode == 75, out
    folder = Path(re.findall(r"refinepoi resume=(\S+)", out)[-1])
    assert json.loads((folder / "outcome.json").read_text())["status"] == "stopped"
    assert list(partial.glob("train_grpo-*/.work/checkpoint-*")), "saved before it left"
    assert "policy                 made" in refinepoi(tmp_path, f"resume={folder}")
    assert "done before" in refinepoi(tmp_path, f"resume={folder}")
    out = refinepoi(tmp_path, f"reproduce={folder}")
    assert "the same bytes" in out and len(re.findall("identical", out)) == 9, out


def test_a_job_of_another_run_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    out = refinepoi(tmp_path, "goal=trajectories", f"hydra.run.dir={tmp_path}/mine", code=2)
    assert "is there already" in out and [f.name for f in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_starts_in_the_same_moment_have_folders_of_their_own(tmp_path: Path) -> None:
    """Folders are made by the entry point itself, one exclusive `mkdir` each."""
    code = (
        "import os, sys; from pathlib import Path; from types import SimpleNamespace as S\n"
        "from refinepoi.main import _make_folder, _stamp\n"
        "names = [_make_folder(S(folder=Path('runs') / _stamp(), multirun=False)).name for _ in range(8)]\n"
        "print('\\n'.join(names))"
    )
    jobs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        for _ in range(8)
    ]
    names = [name for job in jobs for name in job.communicate()[0].split()]
    assert len(names) == len(set(names)) == len(list((tmp_path / "runs").iterdir())) == 64


SMALLER = {
    "datasets": ["dataset=city", "dataset.seed=0,1", "goal=warm_start"],
    "model_size": ["model=micro,tiny", "goal=warm_start"],
    "quantizers": ["goal=semantic_ids"],
    "som_grid": ["quantizer.levels=[5x5,5x5],[6x6,6x6]", "goal=semantic_ids"],
    "search_reward_weights": ["hydra.sweeper.n_trials=2"],
}
"""What makes a sweep file small enough for a test; every other file is run as it is, with GRPO of two steps."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_file_runs(work: Path, name: str) -> None:
    swept = {"model_size": "model.", "quantizers": "quantizer.epochs"}.get(name, "-")
    words = [word for word in SMALL if not word.startswith(swept)]  # settings that not every option of the group has
    out = refinepoi(work, *words, f"multirun_sweeps={name}", *SMALLER.get(name, []))
    assert re.search(r"(\d+) of \1 done", out) and "not done" not in out
