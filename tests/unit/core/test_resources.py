"""How many cores a process may use: affinity and quotas, not what the machine has."""

import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from refinepoi.core import resources
from refinepoi.core.resources import _quota, usable_cores


def group(root: Path, path: str, **files: str) -> None:
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def lines(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "cgroup"
    file.write_text(text)
    return file


@pytest.mark.parametrize(("text", "cores"), [("150000 100000", 1.5), ("max 100000", math.inf), ("nonsense", math.inf)])
def test_version_2(tmp_path: Path, text: str, cores: float) -> None:
    group(tmp_path / "root", "job/step", cpu__max=text)
    assert _quota(lines(tmp_path, "0::/job/step\n"), tmp_path / "root") == cores


def test_the_least_quota_on_the_way_up_counts(tmp_path: Path) -> None:
    group(tmp_path / "root", "job", cpu__max="200000 100000")
    group(tmp_path / "root", "job/step", cpu__max="800000 100000")
    assert _quota(lines(tmp_path, "0::/job/step\n"), tmp_path / "root") == 2.0


@pytest.mark.parametrize(("quota", "cores"), [("300000", 3.0), ("-1", math.inf)])
def test_version_1_in_a_container_that_sees_its_group_as_the_root(tmp_path: Path, quota: str, cores: float) -> None:
    group(tmp_path / "root", "cpu,cpuacct", cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000")
    table = "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n"
    assert _quota(lines(tmp_path, table), tmp_path / "root") == cores


def test_no_control_groups(tmp_path: Path) -> None:
    assert _quota(tmp_path / "absent", tmp_path) == math.inf


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_torch_has_as_many_threads_as_the_affinity_allows() -> None:
    code = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from refinepoi.core.runtime import prepare_process
prepare_process(0)
import torch
print(os.environ["OMP_NUM_THREADS"], torch.get_num_threads(), os.environ["OMP_WAIT_POLICY"])
"""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean, check=True)
    assert done.stdout.split() == ["1", "1", "PASSIVE"]


def test_threads_as_asked_and_the_environment_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from refinepoi.core.runtime import prepare_process

    def asked(threads: int) -> str:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        prepare_process(threads)
        return os.environ["OMP_NUM_THREADS"]

    assert asked(8) == "8" and asked(0) == str(usable_cores())
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    prepare_process(8)
    assert os.environ["OMP_NUM_THREADS"] == "3"


FREED = """
import os, resource
from refinepoi.core.runtime import prepare_process
import torch  # its allocator is the C library's
prepare_process(1)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        torch.ones(4 << 20, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")
def test_freed_memory_is_used_again_unless_the_environment_says_otherwise() -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}

    def faults(**settings: str) -> int:
        run = [sys.executable, "-c", FREED]
        return int(subprocess.run(run, capture_output=True, text=True, env=clean | settings, check=True).stdout)

    assert faults() < 100  # pages of 4 KiB: 51,200 are written
    assert faults(MALLOC_TRIM_THRESHOLD_="131072") > 10_000


def test_a_gpu_is_seen_by_its_device_file_and_left_to_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_DEVICES", tmp_path)
    monkeypatch.setattr(resources.shutil, "which", lambda name: None)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert not resources.may_have_gpu()
    for name in ("nvidia0", "dxg", "kfd"):
        (tmp_path / name).touch()
        assert resources.may_have_gpu()
        (tmp_path / name).unlink()
    monkeypatch.setattr(resources.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert resources.may_have_gpu()  # the machine that submits
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert not resources.may_have_gpu()
