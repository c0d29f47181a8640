"""`goal=report` on real run folders, through the command line."""

import csv
import json
from pathlib import Path

import pytest
from command import last_line, refinepoi


def test_a_sweep_is_compared_without_its_store(swept: tuple[Path, Path], tmp_path: Path) -> None:
    folder, sweep = swept
    assert not (folder / "artifacts").exists()
    out = last_line(refinepoi(tmp_path, "goal=report", f"report.runs=[{sweep}]", "report.resamples=200"))
    outcome = json.loads((out / "outcome.json").read_text())
    assert (outcome["status"], outcome["compared"], outcome["runs"]) == ("done", 2, 2)
    table = {row["configuration"]: row for row in csv.DictReader((out / "metrics.csv").read_text("utf-8").splitlines())}
    jobs = [json.loads((sweep / str(n) / "metrics.json").read_text()) for n in range(2)]
    for number, job in (("1", jobs[0]), ("2", jobs[1])):
        for metric in ("Acc@1", "MRR", "NDCG@10"):
            for split, part in (("test", job), ("validation", job["validation"])):
                expected = part["methods"]["policy"][metric]
                assert float(table[number][f"{metric} {split}"]) == pytest.approx(expected, abs=1e-12)
    counters = jobs[0]["methods"]["counters_e"]["MRR"]
    assert float(table["counters_e"]["MRR test"]) == pytest.approx(counters, abs=1e-12)
    page = (out / "report.html").read_text(encoding="utf-8")
    for said in ('data-key="reward.weights.rank"', "reward/rank", "data:image/webp;base64,", "counters_e"):
        assert said in page, said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["goal=report"], "report.runs: goal=report compares finished runs"),
        (["goal=report", "report.runs=[nowhere]"], "report.runs: nowhere: no such folder"),
        (["goal=report", "report.runs=[.]"], "report.runs: .: neither a run nor a sweep"),
    ],
)
def test_folders_that_are_no_runs_are_refused_at_once(words: list[str], said: str, tmp_path: Path) -> None:
    done = refinepoi(tmp_path, *words, check=False)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
