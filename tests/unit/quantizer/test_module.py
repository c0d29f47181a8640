"""Lightning drives the same map as `BatchSOM.fit`, without a sound, in one process or several."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refinepoi.quantizer import rows as rows_module
from refinepoi.quantizer.module import BlockNumbers, fit_som
from refinepoi.quantizer.som import BatchSOM

SCRIPT = """
import sys
import numpy as np
from refinepoi.quantizer import rows
rows.BLOCK = 64  # several blocks for each process, in an odd number
from refinepoi.quantizer.module import fit_som
from refinepoi.quantizer.som import BatchSOM

x = np.random.default_rng(0).standard_normal((1000, 8)).astype(np.float32)
world = int(sys.argv[1])
more = {"devices": world, "strategy": "ddp"} if world > 1 else {}
som = fit_som(BatchSOM(6, 5, epochs=6), x, **more)
import os
np.savez(f"{sys.argv[2]}/{world}-{os.environ.get('LOCAL_RANK', 0)}.npz", w=som.weights_, e=som.quantization_errors_)
"""


def vectors(rows=500):
    return np.random.default_rng(0).standard_normal((rows, 6)).astype(np.float32)


def test_equals_the_plain_loop_byte_for_byte(monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK", 100)
    plain, driven = BatchSOM(5, 4, epochs=6).fit(vectors()), fit_som(BatchSOM(5, 4, epochs=6), vectors())
    assert driven.weights_.tobytes() == plain.weights_.tobytes()
    assert driven.quantization_errors_ == plain.quantization_errors_


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


@pytest.mark.parametrize("blocks", [1, 2, 7, 8])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_out_all_blocks_in_equal_steps(blocks, world):
    parts = [list(BlockNumbers(blocks, rank, world)) for rank in range(world)]
    assert sorted(n for part in parts for n in part if n >= 0) == list(range(blocks))
    assert len({len(part) for part in parts}) == 1
    assert len(parts[0]) == len(BlockNumbers(blocks, 0, world))


@pytest.mark.slow
def test_two_processes_train_the_same_map(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    root = str(Path(__file__).parents[3])
    env = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    for world in (1, 2):
        command = [sys.executable, str(script), str(world), str(tmp_path)]
        subprocess.run(command, env=env, check=True, timeout=240, cwd=tmp_path)
    one, first, second = (np.load(tmp_path / name) for name in ("1-0.npz", "2-0.npz", "2-1.npz"))
    assert one["w"].tobytes() == first["w"].tobytes() == second["w"].tobytes()
    np.testing.assert_allclose(one["e"], first["e"], rtol=1e-12)
