"""Lightning drives the same map as `BatchSOM.fit`, without a sound, in one process or several."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refinepoi.quantizer import rows as rows_module
from refinepoi.quantizer.module import Share, fit_som
from refinepoi.quantizer.som import BatchSOM

SCRIPT = """
import os
import sys
import numpy as np
from refinepoi.quantizer import rows
rows.BLOCK = 64  # several blocks for each process, in an odd number
rows.LARGEST_BLOCK = 64
from refinepoi.quantizer.module import fit_som
from refinepoi.quantizer.som import BatchSOM

draw = np.random.default_rng(0)
x = (draw.standard_normal((1000, 8)) * 10.0 ** draw.integers(-6, 3, (1000, 1))).astype(np.float32)
world, found = int(sys.argv[1]), {}
more = {"devices": world, "strategy": "ddp"} if world > 1 else {}
for name, options in OPTIONS.items():
    som = fit_som(BatchSOM(9, 5, epochs=6, device="cpu", **options), x, **more)
    found[f"{name}_weights"], found[f"{name}_errors"] = som.weights_, som.quantization_errors_
np.savez(f"{sys.argv[2]}/{world}-{os.environ.get('LOCAL_RANK', 0)}.npz", **found)
"""
OPTIONS = {
    "plain": {},
    "batches": {"batch_rows": 300},
    "multi": {"schedule": "multi_resolution"},
    "local": {"search": "local"},
    "multi_local": {"search": "local", "schedule": "multi_resolution"},
}


def vectors(rows=500):
    return np.random.default_rng(0).standard_normal((rows, 6)).astype(np.float32)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_equals_the_plain_loop_byte_for_byte(monkeypatch, options):
    monkeypatch.setattr(rows_module, "BLOCK", 100)
    plain, driven = BatchSOM(9, 4, epochs=6, **options), BatchSOM(9, 4, epochs=6, **options)
    plain.fit(vectors())
    fit_som(driven, vectors())
    assert driven.weights_.tobytes() == plain.weights_.tobytes()
    assert driven.quantization_errors_ == plain.quantization_errors_
    assert len(plain.quantization_errors_) == 6


def test_reports_each_epoch():
    seen = []
    som = fit_som(BatchSOM(4, 4, epochs=5), vectors(), lambda *values: seen.append(values))
    assert [epoch for epoch, _, _ in seen] == list(range(5))
    assert [error for _, error, _ in seen] == som.quantization_errors_
    assert [sigma for _, _, sigma in seen] == som.sigmas_.tolist()


def test_leaves_no_file_and_says_nothing(tmp_path, monkeypatch, capfd, caplog):
    monkeypatch.chdir(tmp_path)
    fit_som(BatchSOM(4, 4, epochs=2), vectors())
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


@pytest.mark.parametrize("blocks", [(1,), (2, 5), (7,), (8, 1, 3)])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_out_all_blocks_in_equal_turns(blocks, world):
    parts = [list(Share(blocks, rank, world)) for rank in range(world)]
    every = sorted((work.step, work.block) for part in parts for work in part if work.block >= 0)
    assert every == [(step, block) for step, count in enumerate(blocks) for block in range(count)]
    for part in parts:
        assert len(part) == len(Share(blocks, 0, world))
        assert [work.step for work in part] == [work.step for work in parts[0]]
        assert [work.last for work in part] == [work.last for work in parts[0]]
        assert sum(work.last for work in part) == len(blocks)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_ranks_that_remember_their_own_rows_train_the_same_map(monkeypatch, options):
    """What two and three processes do, one after the other in this one."""
    monkeypatch.setattr(rows_module, "BLOCK", 64)
    monkeypatch.setattr(rows_module, "LARGEST_BLOCK", 64)
    x, found = vectors(6000), []
    for world in (1, 2, 3):  # many epochs on the full grid: a process has seen all its rows before the stride changes
        ranks = [BatchSOM(24, 12, epochs=24, sigma_start=1.5, init="random", **options) for _ in range(world)]
        for som in ranks:
            som.start(rows_module.Rows.survey(x))
        for steps in ranks[0].steps_:
            for step in steps:
                sums = [som.begin(step) for som in ranks]
                for block in range(ranks[0].blocks_of(step)):
                    ranks[block % world].accumulate(sums[block % world], block)
                sums[0].flat[:] = sum(part.flat for part in sums)
                for som in ranks:
                    som.update(sums[0])
        found.append(ranks[0].weights_.tobytes())
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
def test_any_number_of_processes_trains_the_same_map(tmp_path):
    """Gloo processes on rows of nine magnitudes, where the order of a plain float64 sum shows."""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.replace("OPTIONS.items()", f"{OPTIONS!r}.items()"), encoding="utf-8")
    root = str(Path(__file__).parents[3])
    env = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    for world in (1, 2, 3):
        command = [sys.executable, str(script), str(world), str(tmp_path)]
        subprocess.run(command, env=env, check=True, timeout=240, cwd=tmp_path)
    expected = np.load(tmp_path / "1-0.npz")
    for world, rank in ((2, 0), (2, 1), (3, 0), (3, 1), (3, 2)):
        found = np.load(tmp_path / f"{world}-{rank}.npz")
        for name in expected.files:
            assert found[name].tobytes() == expected[name].tobytes(), (name, world, rank)
