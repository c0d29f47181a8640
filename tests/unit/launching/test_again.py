"""`resume` and `reproduce`: what is refused, and how two runs are compared."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from refinepoi.core.errors import UserError
from refinepoi.launching.again import compare, reproduce, resume
from refinepoi.launching.record import Record, occupied


def manifest(**files: str) -> dict:
    return {"files": files, "packages": {"torch": "2.13.0"}, "code": "a", "key": "k"}


def test_equal_bytes_are_the_same_whatever_the_clock_says() -> None:
    before = {"policy": manifest(**{"model/x": "1", "curve.json": "2"})}
    text, same = compare(before, {"policy": manifest(**{"model/x": "1", "curve.json": "3"})})
    assert same and "identical" in text and text.endswith("the same bytes")


@pytest.mark.parametrize("files", [{"model/x": "9"}, {}, {"model/x": "1", "more": "2"}])
def test_every_difference_is_named(files: dict[str, str]) -> None:
    after = manifest(**files) | {"packages": {"torch": "2.14.0"}, "code": "b"}
    text, same = compare({"policy": manifest(**{"model/x": "1"})}, {"policy": after})
    assert not same and "differs: " in text and "torch 2.13.0 then, 2.14.0 now" in text and "code" in text


def test_a_missing_artifact_differs() -> None:
    assert not compare({"policy": manifest(x="1")}, {})[1]


def again(command: str, folder: Path, words: list[str]) -> int:
    if command == "resume":
        return resume(str(folder), words, lambda: None)
    return reproduce(str(folder), words, "stamp")


def a_run(folder: Path, **changes: object) -> Path:
    """A run folder as the entry point leaves it before the run."""
    from refinepoi.experiment import to_yaml
    from refinepoi.launching.composition import check

    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(to_yaml(check([], multirun=False).jobs[0].experiment))
    fields = {"words": [], "directory": str(folder), "sweep": False, "group": "", "points": [], "dropped": []}
    Record(**(fields | changes)).write(folder)  # type: ignore[arg-type]
    return folder


@pytest.mark.parametrize("command", ["resume", "reproduce"])
def test_a_folder_without_a_run_is_refused(tmp_path: Path, command: str) -> None:
    with pytest.raises(UserError, match=f"{command}: .* is no run or sweep folder"):
        again(command, tmp_path, [])
    (tmp_path / "launch.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        again(command, tmp_path, [])


@pytest.mark.parametrize("command", ["resume", "reproduce"])
def test_settings_cannot_be_changed_on_the_way(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"take seed=1 away"):
        again(command, a_run(tmp_path / "run"), ["seed=1"])


@pytest.mark.parametrize("command", ["resume", "reproduce"])
def test_own_code_must_be_named_again(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from refinepoi.experiment import to_yaml
    from refinepoi.launching.composition import check

    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def f(answers, target, places): ...")
    folder = a_run(tmp_path / "run")
    own = check(["reward.user={file: mine.py, function: f, weight: 1}"], multirun=False).jobs[0].experiment
    (folder / "config.yaml").write_text(to_yaml(own))
    for words in ([], ["reward.user.file=other.py"]):
        with pytest.raises(UserError, match=r"uses code of your own, 'mine.py'; name it again .*reward.user.file=mine"):
            again(command, folder, words)
    with pytest.raises(UserError, match="take seed=1 away"):  # named: the other words are looked at
        again(command, folder, ["reward.user.file=mine.py", "seed=1"])


def test_what_cannot_be_reproduced_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="was not finished"):
        again("reproduce", a_run(tmp_path / "run"), [])
    with pytest.raises(UserError, match=r"is a sweep; name one of its jobs, such as .*/0"):
        again("reproduce", a_run(tmp_path / "sweep", sweep=True, points=[["seed=1"]]), [])


def test_a_search_is_started_again_and_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="drawn one after another"):
        again("resume", a_run(tmp_path / "search", sweep=True), [])


def test_a_sweep_may_go_on_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher is replaced, paths begin where the first start was, settings cannot change."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["refinepoi"])
    (tmp_path / "there").mkdir()
    words = ["-m", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    record = {"words": words, "directory": str(tmp_path / "there"), "points": [["seed=0"], ["seed=1"]]}
    folder = a_run(tmp_path / "sweep", sweep=True, **record)
    started = []
    resume(str(folder), ["hydra/launcher=basic"], lambda: started.append((os.getcwd(), sys.argv[1:])))
    ((place, given),) = started
    assert place == str(tmp_path / "there")
    assert given[:2] == ["-m", "seed=0,1"] and "hydra/launcher=basic" in given and "hydra/sweeper=distinct" in given
    assert not any("joblib" in word or "n_jobs" in word for word in given)
    with pytest.raises(UserError, match="take seed=2 away"):
        resume(str(folder), ["seed=2"], lambda: None)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with occupied(tmp_path):
        code = (
            "import sys; from pathlib import Path; from refinepoi.launching.record import occupied\n"
            "with occupied(Path(sys.argv[1])): pass"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode != 0 and "is being run by another process" in done.stderr
    with occupied(tmp_path):
        pass
