"""The store: keys that mean what was asked for, artifacts that are whole or absent, nothing made twice."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from runtimes import runtime

from refinepoi.core.spec import Spec
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.core.store import Store, artifact_key
from refinepoi.core.tracking import NoTracker


@dataclass(frozen=True)
class Text:
    text: str

    def save(self, folder: Path) -> None:
        (folder / "text.txt").write_text(self.text)

    @classmethod
    def load(cls, folder: Path) -> "Text":
        return cls((folder / "text.txt").read_text())


class Say(Spec):
    word: str
    times: int


made: list[str] = []


@stage(version=1, makes=Text, name="say")
def say(context: Context, spec: Say, *before: Artifact[Text]) -> None:
    made.append(spec.word)
    context.log.metrics({"loss": 1.5}, step=1)
    (context.work / "scratch").write_text("x")
    Text("".join(a.load().text for a in before) + spec.word * spec.times).save(context.folder)


@stage(version=1, makes=Text, name="fail")
def fail(context: Context, spec: Say) -> None:
    attempts = context.work / "attempts"
    attempts.write_text(attempts.read_text() + "x" if attempts.exists() else "x")
    if len(attempts.read_text()) < 3:
        raise RuntimeError("killed")
    Text(attempts.read_text()).save(context.folder)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made.clear()
    return Store(tmp_path, runtime())


def test_second_request_reads(store: Store) -> None:
    first = store.get(say, [Say(word="a", times=2)])
    second = store.get(say, [Say(word="a", times=2)])
    assert (first.hit, second.hit, first.key) == (False, True, second.key)
    assert second.load().text == "aa" and made == ["a"]


def test_inputs_enter_the_key(store: Store) -> None:
    a, b = store.get(say, [Say(word="a", times=1)]), store.get(say, [Say(word="b", times=1)])
    left = store.get(say, [Say(word="c", times=1), a])
    right = store.get(say, [Say(word="c", times=1), b])
    assert left.key != right.key and (left.load().text, right.load().text) == ("ac", "bc")


def test_golden_key() -> None:
    """Recorded once: a change here makes every user's store cold, so it must be meant."""
    assert artifact_key(say, [Say(word="a", times=2)]) == "712773408984d04bb3c4"


def test_runtime_never_changes_a_key(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [{}, {"threads": 7}, {"device": "auto"}, {"workers": 2}, {"micro_batch": 1}]
    changes += [{"progress": True}, {"processes": 2}, {"strategy": {"kind": "fsdp", "reshard": True, "offload": False}}]
    keys = {Store(tmp_path, runtime(**c)).get(say, [Say(word="a", times=2)]).key for c in changes}
    assert len(keys) == 1


def test_scratch_is_kept_over_a_crash_and_never_published(store: Store) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match="killed"):
            store.get(fail, [Say(word="a", times=1)])
        assert not list(store.root.glob("fail/*"))
    artifact = store.get(fail, [Say(word="a", times=1)])
    assert artifact.load().text == "xxx"
    names = {f.name for f in artifact.path.rglob("*")}
    assert names == {"text.txt", "manifest.json", "curve.json"}


@pytest.mark.parametrize("damage", ["flip", "cut", "append", "remove", "extra", "manifest", "empty"])
def test_damage_is_found_and_made_good(store: Store, damage: str) -> None:
    artifact = store.get(say, [Say(word="abc", times=3)])
    file = artifact.path / "text.txt"
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[4] ^= 1
        file.write_bytes(content)
    elif damage == "cut":
        file.write_bytes(content[:-1])
    elif damage == "append":
        file.write_bytes(content + b"!")
    elif damage == "remove":
        file.unlink()
    elif damage == "extra":
        (artifact.path / "new.txt").write_text("x")
    elif damage == "manifest":
        (artifact.path / "manifest.json").write_text("{")
    else:
        (artifact.path / "manifest.json").write_text("")
    again = store.get(say, [Say(word="abc", times=3)])
    assert not again.hit and again.load().text == "abcabcabc"
    assert len(list((store.root / ".aside").iterdir())) == 1


def test_refresh_makes_again_once(tmp_path: Path) -> None:
    made.clear()
    Store(tmp_path, runtime()).get(say, [Say(word="a", times=1)])
    fresh = Store(tmp_path, runtime(refresh=("say",)))
    assert not fresh.get(say, [Say(word="a", times=1)]).hit
    assert fresh.get(say, [Say(word="a", times=1)]).hit and made == ["a", "a"]


def test_curve_is_replayed_on_a_hit(store: Store) -> None:
    class Heard(NoTracker):
        def __init__(self) -> None:
            self.rows: list[object] = []

        def metrics(self, stage: str, values: object, step: int) -> None:
            self.rows.append((stage, values, step))

    store.get(say, [Say(word="a", times=1)])
    heard = Heard()
    Store(store.root, runtime(), heard).get(say, [Say(word="a", times=1)])
    assert heard.rows == [("say", {"loss": 1.5}, 1)]


def test_manifest_says_what_was_done(store: Store) -> None:
    a = store.get(say, [Say(word="a", times=1)])
    b = store.get(say, [Say(word="b", times=2), a])
    manifest = json.loads((b.path / "manifest.json").read_text())
    assert manifest["arguments"] == [{"word": "b", "times": 2}, {"artifact": "say", "key": a.key}]
    assert set(manifest["files"]) == {"text.txt", "curve.json"} and manifest["version"] == 1


CHILD = """
import os, sys, time
sys.path[:0] = {folders!r}
import test_store as t
from pathlib import Path
store = t.Store(Path({root!r}), t.runtime(), locks={locks})
(Path({root!r}) / f"ready-{{os.getpid()}}").touch()
while not (Path({root!r}) / "go").exists():
    time.sleep(0.001)
artifact = store.get(t.signed, [t.Say(word="w", times=1)])
print(artifact.hit, (artifact.path / "first").read_text() == (artifact.path / "last").read_text())
"""


@stage(version=1, makes=Text, name="signed")
def signed(context: Context, spec: Say) -> None:
    """Each process writes other bytes, so that a mixture of two would be seen."""
    (context.folder / "first").write_text(str(os.getpid()))
    time.sleep(0.2)
    (context.folder / "last").write_text(str(os.getpid()))
    Text(spec.word).save(context.folder)


@pytest.mark.parametrize("locks", [True, False])
def test_sixteen_processes_on_one_cold_key(tmp_path: Path, locks: bool) -> None:
    """All begin in the same moment; without locks several may build, and one of the builds is the artifact, whole."""
    code = CHILD.format(
        folders=[str(Path(__file__).parent), str(Path(__file__).parents[2] / "support")],
        root=str(tmp_path),
        locks=locks,
    )
    jobs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(16)]
    while len(list(tmp_path.glob("ready-*"))) < 16:
        assert all(job.poll() is None for job in jobs)
        time.sleep(0.01)
    (tmp_path / "go").touch()
    answers = [job.communicate()[0].split() for job in jobs]
    assert all(job.returncode == 0 for job in jobs)
    assert all(whole == "True" for _, whole in answers)
    if locks:
        assert [hit for hit, _ in answers].count("False") == 1
    assert len(list(tmp_path.glob("signed/*"))) == 1 and not list(tmp_path.glob(".aside/*"))
    assert not list((tmp_path / ".partial").iterdir()), "nothing is left behind"


@pytest.mark.parametrize("owner", ["dead", "far and silent", "far and alive"])
def test_a_partial_folder_is_taken_over_from_the_dead_only(store: Store, owner: str) -> None:
    key = artifact_key(say, [Say(word="a", times=1)])
    partial = store.root / ".partial" / f"say-{key}"
    partial.mkdir(parents=True)
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    claim = partial.with_name(f"{partial.name}.owner")
    claim.write_text(f"{socket.gethostname() if owner == 'dead' else 'elsewhere'} {done.stdout.strip()}")
    if owner == "far and silent":
        os.utime(claim, (1, 1))
    (partial / "half.bin").write_bytes(b"123")
    artifact = store.get(say, [Say(word="a", times=1)])
    alive = owner == "far and alive"
    assert artifact.load().text == "a" and (artifact.path / "half.bin").exists() is not alive
    assert partial.exists() is claim.exists() is alive
