"""A sweep's lines and table are read from its jobs' files."""

import json
from pathlib import Path

from refinepoi.launching.sweep import best_job, outcomes, sweep_table, watched


def write(folder: Path, number: int, **outcome: object) -> None:
    (folder / str(number)).mkdir(exist_ok=True)
    (folder / str(number) / "outcome.json").write_text(json.dumps(outcome))


def three(folder: Path) -> None:
    metrics = {"Acc@1": 0.25, "Acc@10": 0.5, "MRR": 0.375}
    write(folder, 0, status="done", objective=0.3, metrics=metrics, overrides=["seed=0", "reward.weights.rank=1"])
    write(folder, 1, status="failed", error="ValueError: no\nmore", log="/x/run.log", overrides=["seed=0", "a=2"])
    write(folder, 2, status="done", objective=0.4, metrics=metrics, overrides=["seed=0", "reward.weights.rank=3"])


def test_the_table_names_results_errors_and_what_is_missing(tmp_path: Path) -> None:
    three(tmp_path)
    text, undone = sweep_table(tmp_path, 4)
    lines = text.splitlines()
    assert undone == 2
    assert "0.3000 " in lines[1] and lines[1].endswith("  reward.weights.rank=1")
    assert "failed" in lines[2] and "0.4000*" in lines[3] and "missing" in lines[4]
    assert "job 1: ValueError: no" in text and "more" not in text.replace("more than", "") and "/x/run.log" in text
    assert f"refinepoi resume={tmp_path}" in text


def test_what_all_jobs_share_is_said_once(tmp_path: Path) -> None:
    three(tmp_path)
    text, _ = sweep_table(tmp_path, 3)
    assert text.count("seed=0") == 1 and "all jobs: seed=0" in text


def test_the_best_is_by_validation(tmp_path: Path) -> None:
    three(tmp_path)
    assert best_job(outcomes(tmp_path, 3)) == 2
    write(tmp_path, 3, status="done", objective=float("nan"))
    assert best_job(outcomes(tmp_path, None)) == 2 and best_job([]) is None


def test_jobs_are_reported_as_they_end(tmp_path: Path, capsys) -> None:
    write(tmp_path, 0, status="done", objective=0.1)  # before this start: not reported
    write(tmp_path, 1, status="failed", error="then")  # it is run again
    with watched(tmp_path, 3):
        assert outcomes(tmp_path, 2)[1]["status"] == "missing", "what it came to before is not news"
        write(tmp_path, 1, status="done", objective=0.2)
        write(tmp_path, 2, status="failed", error="x")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("job 1 done, validation MRR 0.2000 |")
    assert "2 of 3 done" in lines[1] and "1 failed" in lines[1] and "best 0.2000 (job 1)" in lines[1]
