"""A checkpoint counts only with all of its files; they are on the disk before the marker that vouches for them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from refinepoi.training.checkpoints import COMPLETE, last_complete, mark_complete, replace_folder


def checkpoint(work: Path, step: int) -> Path:
    folder = work / f"checkpoint-{step}"
    (folder / "inner").mkdir(parents=True)
    for name in ("weights", "inner/optimizer"):
        (folder / name).write_bytes(b"x" * 100)
    return folder


DAMAGES: list[Callable[[Path], object]] = [
    lambda folder: (folder / COMPLETE).unlink(),
    lambda folder: (folder / "weights").unlink(),
    lambda folder: (folder / "inner" / "optimizer").write_bytes(b""),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_one_is_removed_and_the_one_before_is_read(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    for step in (9, 10):
        mark_complete(checkpoint(tmp_path, step), {"best": step})
    assert last_complete(tmp_path) == (tmp_path / "checkpoint-10", {"best": 10})
    damage(tmp_path / "checkpoint-10")
    assert last_complete(tmp_path) == (tmp_path / "checkpoint-9", {"best": 9})
    assert not (tmp_path / "checkpoint-10").exists()
    damage(tmp_path / "checkpoint-9")
    assert last_complete(tmp_path) is None


def test_files_are_on_the_disk_before_their_marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, synced, sync = checkpoint(tmp_path, 1), list[str](), os.fsync

    def record(number: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{number}")).name.partition(".json")[0])
        sync(number)

    monkeypatch.setattr(os, "fsync", record)
    mark_complete(folder, {})
    assert set(synced[:4]) == {"weights", "inner", "optimizer", "checkpoint-1"}
    assert synced[4:] == [".COMPLETE", "checkpoint-1", tmp_path.name]
    synced.clear()
    replace_folder(folder, tmp_path / "best-1")
    assert {"weights", "inner", "optimizer", "checkpoint-1"} < set(synced) and synced[-1] == tmp_path.name
