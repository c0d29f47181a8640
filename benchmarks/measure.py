"""What benchmarks share: claims with their bars, medians of interleaved repeats, peak memory, facts of the machine."""

import contextlib
import io
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

REPEATS = 7


@dataclass
class Claim:
    """One line of the table. bar: what it is to reach, empty where nothing was asked."""

    what: str
    value: float
    unit: str
    against: str = ""
    bar: str = ""

    @property
    def met(self) -> str:
        if not self.bar:
            return ""
        sign, bar = self.bar.split()
        return "yes" if (self.value >= float(bar) if sign == ">=" else self.value <= float(bar)) else "NO"


def seconds_of(run: Callable[[], object]) -> float:
    """Process time of one call, without what it prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.process_time()
        run()
        return time.process_time() - start


def medians(contenders: dict[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Median process time of each, all of them once in every repeat; one round before to warm up."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in range(repeats + 1):
        for name, run in contenders.items():
            seconds = seconds_of(run)
            if repeat:
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def table(claims: list[Claim]) -> str:
    """The claims as Markdown."""
    lines = [f"| {c.what} | {c.value:.3g} | {c.unit} | {c.against} | {c.bar} | {c.met} |" for c in claims]
    return "\n".join(["| what | value | | against | bar | met |", "|---|---:|---|---|---|---|", *lines])


def machine() -> dict[str, str | int | float]:
    """What the figures were measured on."""
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "cores": len(names),
        "threads": torch.get_num_threads(),
        "load": float(_lines("/proc/loadavg")[0].split()[0]),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def status(key: str) -> float:
    """A figure of /proc/self/status in KiB."""
    return next(float(line.split()[1]) for line in _lines("/proc/self/status") if line.startswith(key))


def forget_peak() -> None:
    """Let the peak of memory (VmHWM) begin again at what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def _lines(file: str) -> list[str]:
    return Path(file).read_text(encoding="utf-8").splitlines()
