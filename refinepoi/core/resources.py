"""What the machine gives this process: cores it may use, a GPU, and the peak memory of a stretch of work in MB.

Linux resets the memory's mark per stage; elsewhere it is the process's own peak.
"""

import math
import os
import resource
import shutil
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_DEVICES = Path("/dev")
_GROUPS = Path("/proc/self/cgroup")
_GROUP_ROOT = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Cores that this process may use: its affinity (taskset, Slurm) and its control group's quota (containers)."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, _quota(_GROUPS, _GROUP_ROOT))))


def may_have_gpu() -> bool:
    """Whether the system shows a card (NVIDIA, natively or under WSL, or AMD); torch is slow to import and not asked.

    Also true where jobs are handed to Slurm: the machine that checks the settings is not the one that computes.
    """
    submits = shutil.which("sbatch") is not None and "SLURM_JOB_ID" not in os.environ
    return submits or any(_DEVICES.glob("nvidia[0-9]*")) or any((_DEVICES / name).exists() for name in ("dxg", "kfd"))


def _quota(groups: Path, root: Path) -> float:
    """The least quota, in cores, of the process's control group and those above it; infinity without one.

    groups: lines `hierarchy:controllers:path`. Version 2 keeps `cpu.max` ("quota period" in microseconds, or "max"),
    version 1 `cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us`. In a container the path may not be visible: then
    the root of the hierarchy is the container's own group.
    """
    try:
        lines = groups.read_text(encoding="ascii").splitlines()
    except OSError:
        return math.inf
    least = math.inf
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root if not controllers else next((root / n for n in (controllers, "cpu") if (root / n).is_dir()), root)
        folder = top / path.lstrip("/")
        for group in (folder, *folder.parents):
            if not group.is_relative_to(top):
                break
            least = min(least, _read_quota(group))
    return least


def _read_quota(group: Path) -> float:
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (group / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
        return float(quota) / float(period) if quota not in ("max", "-1") else math.inf
    except (OSError, ValueError):
        return math.inf


def reset_peak() -> None:
    """Start a new stretch (Linux; a no-op where the kernel does not offer it)."""
    try:
        _RESET.write_text("5", encoding="ascii")
    except OSError:
        return


def peak_mb() -> float:
    """Most resident memory since `reset_peak`, in MB."""
    try:
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024
