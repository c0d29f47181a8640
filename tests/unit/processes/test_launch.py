"""A stage in two real processes: what it says arrives, how it fails is told, and no rank outlives its parent."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import parallel_stages
import pytest
from parallel_stages import Say, Text, fail, say
from runtimes import runtime

from refinepoi.core.errors import UserError
from refinepoi.core.stage import Artifact
from refinepoi.core.store import Store
from refinepoi.processes import launch
from refinepoi.processes.launch import run_stage

SUPPORT = str(Path(parallel_stages.__file__).parent)


@pytest.fixture(autouse=True)
def _children_find_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([SUPPORT, os.environ.get("PYTHONPATH", "")]))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", runtime(processes=2), execute=run_stage)


@pytest.mark.slow
def test_what_the_ranks_do_and_say_arrives(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    Text("before").save(tmp_path)
    with caplog.at_level(logging.INFO, "refinepoi"):
        made = store.get(say, [Say(word="hello"), Artifact("say", "k", tmp_path, Text)])
    assert made.load().text == "before hello 2 [0, 1, 4, 9, 16] 2"
    assert json.loads((made.path / "curve.json").read_text()) == [{"step": 7.0, "rank": 0.0, "loss": 0.5}]
    manifest = json.loads((made.path / "manifest.json").read_text())
    assert manifest["cost"]["tokens"] == 12.0 and manifest["cost"]["memory_mb"] > 50
    assert sorted(manifest["files"]) == ["curve.json", "text.txt"]
    assert [r.getMessage() for r in caplog.records if "speaks" in r.getMessage()] == ["rank 0 speaks"]


@pytest.mark.slow
def test_a_users_error_is_raised_as_such(store: Store) -> None:
    with pytest.raises(UserError, match=r"^sft.batch_size: too small$"):
        store.get(fail, [Say(word="user")])


@pytest.mark.slow
def test_other_errors_come_with_the_ranks_log(store: Store) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)^rank 1: ValueError: broken\n.*the last words.*raise ValueError"):
        store.get(fail, [Say(word="other")])


@pytest.mark.slow
def test_a_rank_that_is_killed_is_told_with_the_end_of_the_logs(store: Store) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)launcher:\n.*exitcode *: -9.*rank-1:\n.*the last words"):
        store.get(fail, [Say(word="killed")])


PARENT = """
import sys
from pathlib import Path
sys.path.insert(0, {support!r})
from parallel_stages import Say, {stage}
from runtimes import runtime
from refinepoi.core import interruption
from refinepoi.core.store import Store
from refinepoi.processes.launch import run_stage
with interruption.listening():
    Store(Path({store!r}), runtime(processes=2), execute=run_stage).get({stage}, [Say(word="x")])
"""


def lingering(folder: Path, stage: str = "linger") -> tuple["subprocess.Popen[bytes]", Path, list[int]]:
    """A parent, its work folder, and the two ranks' process ids."""
    code = PARENT.format(support=SUPPORT, store=str(folder), stage=stage)
    with open(folder / "parent.log", "wb") as said:
        parent = subprocess.Popen([sys.executable, "-c", code], stderr=said)
    until(lambda: len([*folder.glob(f".partial/{stage}-*/.work/started-*")]) == 2 or parent.poll() is not None, 90)
    files = sorted(folder.glob(f".partial/{stage}-*/.work/started-*"))
    assert len(files) == 2
    return parent, files[0].parent, [int(file.read_text()) for file in files]


def until(true: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state.rpartition(")")[2].split()[0] == "Z"


@pytest.mark.slow
@pytest.mark.parametrize("everywhere", [False, True])
def test_a_signal_lets_every_rank_save_and_the_job_leaves_with_75(tmp_path: Path, everywhere: bool) -> None:
    """everywhere: as Slurm does, which signals all processes of a job at once, launcher and ranks among them."""
    parent, work, ranks = lingering(tmp_path)
    if everywhere:
        launcher = int(Path(f"/proc/{ranks[0]}/stat").read_text().rpartition(")")[2].split()[1])
        for pid in (launcher, *ranks):
            os.kill(pid, signal.SIGTERM)
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(60) == 75
    assert {file.name for file in work.glob("saved-*")} == {"saved-0", "saved-1"}


@pytest.mark.slow
def test_a_rank_that_fails_while_it_stops_is_a_failure(tmp_path: Path) -> None:
    """Else a batch system would start the job again, for ever."""
    parent, _, _ = lingering(tmp_path, "stumble")
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(60) == 1
    assert "UserError: runtime.store: the disk is full" in (tmp_path / "parent.log").read_text()


@pytest.mark.parametrize(
    ("ends", "broke"),
    [
        ([], False),
        (["left-0", "left-1"], False),
        (["left-0", "error-1.json"], False),
        (["error-1.json", "left-0"], True),
    ],
)
def test_the_first_end_tells_a_stop_from_a_failure(tmp_path: Path, ends: list[str], broke: bool) -> None:
    for moment, name in enumerate(ends):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(moment, moment))
    assert launch._broke(tmp_path) == broke


@pytest.mark.parametrize(("setting", "threads"), [("4", 4), ("4,2", 4), (" 3 , 1", 3), ("", 1), ("many", 1)])
def test_threads_are_read_as_openmp_reads_them(setting: str, threads: int) -> None:
    assert launch._threads(setting) == threads


@pytest.mark.slow
def test_no_rank_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent, _, ranks = lingering(tmp_path)
    assert not any(map(gone, ranks))
    parent.kill()
    parent.wait()
    assert until(lambda: all(map(gone, ranks)), 5)
