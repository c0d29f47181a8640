"""Which folders are runs."""

from pathlib import Path

import pytest

from refinepoi.core.errors import UserError
from refinepoi.report.find import run_folders
from refinepoi.report.spec import ReportSpec


def runs(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "config.yaml").write_text("name: x")
    return [folder / name for name in names]


def test_a_sweep_is_its_jobs_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    jobs = runs(tmp_path, *(f"sweeps/city/stamp/{n}" for n in range(12)))
    assert run_folders([str(tmp_path / "sweeps/city/stamp")]) == jobs
    assert run_folders([str(tmp_path)]) == jobs


def test_globs_and_repeats(tmp_path: Path) -> None:
    one, two = runs(tmp_path, "runs/a", "runs/b")
    assert run_folders([str(tmp_path / "runs/*")]) == [one, two]
    assert run_folders([str(two), str(tmp_path / "runs/?"), str(one)]) == [two, one]


def test_folders_of_a_run_are_not_runs(tmp_path: Path) -> None:
    run, _ = runs(tmp_path, "runs/a", "runs/a/inner")
    assert run_folders([str(tmp_path)]) == [run]


@pytest.mark.parametrize(("name", "said"), [("nowhere", "no such folder"), ("empty", "neither a run nor a sweep")])
def test_what_is_no_run_is_named(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=rf"{name}: {said}"):
        run_folders([str(tmp_path / name)])


def test_the_spec_says_all_wrong_folders_at_once(spec: ReportSpec, tmp_path: Path) -> None:
    good = runs(tmp_path, "good")[0]
    wrong = spec.model_copy(update={"runs": (str(good), "/no/1", "/no/2"), "reference": "/no/3"})
    problems = wrong.problems()
    assert [p.split(":")[0] for p in problems] == ["report.runs", "report.runs", "report.reference"]
    assert all(f"/no/{n}" in p for n, p in enumerate(problems, 1))
