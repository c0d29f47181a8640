"""Speed and memory of the batch SOM against the hardware's own matrix product and against named peers.

    python benchmarks/som.py                     every claim but the million rows: about five minutes
    python benchmarks/som.py --full --plot       the million rows too, and docs/pictures/som_cost.png
    python benchmarks/som.py --claims schedules  some of them: epochs schedules local memory million scaling

One thread, process time, contenders interleaved in each repeat, medians. `sgemm` is the product [N, D] x [D, K] that
any exact winner search needs, measured in the same run on the same chunks: by torch.mm as a user calls it (MKL), and by
the fastest means found (oneDNN with weights packed beforehand, the best of three chunk sizes). Peers: som_peers.py.
Prints Markdown and writes benchmarks/results/som.json.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from measure import Claim, forget_peak, medians, status, table
from som_measure import blobs, pieces, product, sheet
from som_peers import Peer, difference_from_minisom, peers

from refinepoi.quantizer.hierarchy import fit_levels
from refinepoi.quantizer.som import BatchSOM

ROOT = Path(__file__).parents[1]
RESULTS, PICTURE = ROOT / "benchmarks" / "results" / "som.json", ROOT / "docs" / "pictures" / "som_cost.png"
ROWS, COLUMNS = 50_000, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    claims = {"epochs": epochs, "schedules": schedules, "local": local, "memory": memory, "million": million}
    parser.add_argument("--claims", nargs="*", choices=[*claims, "scaling"])
    parser.add_argument("--full", action="store_true", help="the million rows too")
    parser.add_argument("--plot", action="store_true", help=f"draw {PICTURE.name}")
    parser.add_argument("--in-process", choices=["memory", "million"], help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=ROWS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if options.in_process:
        print(json.dumps(peak_above_input(options.rows) if options.in_process == "memory" else million_rows()))
        return
    chosen = options.claims or [name for name in claims if name != "million" or options.full]
    found = [claim for name in chosen if name in claims for claim in claims[name]()]
    if found:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps([asdict(claim) for claim in found], indent=1) + "\n", encoding="utf-8")
        print(table(found))
    if options.plot or "scaling" in chosen:
        scaling()


def epochs() -> list[Claim]:
    """Winner search and whole epochs at 16x16 and 32x32, against both products and all peers."""
    return [claim for side in (16, 32) for claim in epoch_claims(blobs(ROWS, COLUMNS), side)]


def epoch_claims(x: np.ndarray, side: int) -> list[Claim]:
    nodes, size = side * side, f"{side}x{side}, {len(x):,} x {x.shape[1]}"
    winners, epoch = pieces(x, side)
    products = {
        f"oneDNN {chunk >> 10} KiB": product(x, nodes, chunk, onednn=True) for chunk in (1 << 20, 2 << 20, 4 << 20)
    }
    mkl = {"MKL": product(x, nodes, 2 << 20, onednn=False)}
    others = [peer for peer in peers(x, side) if peer.run]
    runs: dict[str, Callable[[], object]] = {"winners": winners, "epoch": epoch, **mkl, **products}
    seconds = medians(runs | {peer.name: peer.run for peer in others if peer.run})
    best = min(products, key=lambda name: seconds[name])
    found = []
    for name, words in (("MKL", "torch.mm"), (best, "oneDNN")):
        against = f"{words} sgemm, {2e-9 * x.size * nodes / seconds[name]:.0f} GFLOP/s"
        found += [
            Claim(f"{size}: winner search, share of", seconds[name] / seconds["winners"], "", against, ">= 0.9"),
            Claim(
                f"{size}: whole epoch, share of", seconds[name] / seconds["epoch"], "", against,
                ">= 0.8" if side == 32 else ">= 0.7",
            ),
        ]  # fmt: skip
    found.append(Claim(f"{size}: epoch", 1e6 * seconds["epoch"] / len(x), "us a row"))
    ours = seconds["epoch"] / len(x)
    bars = {"MiniSom": ">= 100", "XPySom": ">= 3.5"}
    for peer in peers(x, side):
        if peer.reason:
            found.append(Claim(f"{size}: epoch, times faster than", float("nan"), "x", f"{peer.name} ({peer.reason})"))
        elif peer.name.startswith("faiss"):
            share = ours / (seconds[peer.name] / peer.rows)
            found.append(Claim(f"{size}: epoch, time as a share of", share, "x", label(peer), "<= 1.1"))
        else:
            times = seconds[peer.name] / peer.rows / ours
            bar = bars.get(peer.name.split()[0], "")
            found.append(Claim(f"{size}: epoch, times faster than", times, "x", label(peer), bar))
    gap = difference_from_minisom(x[:2000], side)
    return [*found, Claim(f"{size}: largest difference of weights", gap, "", "MiniSom train_batch_offline", "<= 1e-5")]


def label(peer: Peer) -> str:
    return f"{peer.name} ({peer.what}{'' if peer.rows == ROWS else f'; {peer.rows:,} rows'})"


def schedules() -> list[Claim]:
    """The multi-resolution schedule against 20 plain epochs: time and unexplained variance."""
    return [
        claim
        for name, x in (("blobs", blobs(ROWS, COLUMNS)), ("sheet", sheet(ROWS, COLUMNS)))
        for side in (16, 32)
        for claim in against_plain(name, x, side, {"schedule": "multi_resolution"}, 0.4, 2)
    ]


def local() -> list[Claim]:
    """Tile-local winner search against the exact one on big maps."""
    x = sheet(ROWS, 64)
    return [
        claim
        for side, options in (
            (64, {"search": "local"}), (128, {"search": "local"}),
            (128, {"search": "local", "schedule": "multi_resolution"}),
        )
        for claim in against_plain("sheet", x, side, options, None, None, repeats=1)
    ]  # fmt: skip


def against_plain(
    name: str,
    x: np.ndarray,
    side: int,
    options: dict[str, str],
    cost: float | None,
    loss: float | None,
    repeats: int = 3,
) -> list[Claim]:
    """What `options` save of the time of 20 plain epochs, and what they leave unexplained beyond those."""
    plain, other = BatchSOM(side, side, device="cpu"), BatchSOM(side, side, device="cpu", **options)
    seconds = medians({"plain": lambda: plain.fit(x), "other": lambda: other.fit(x)}, repeats)
    left = [float(np.square(x - som.weights_[som.predict(x)]).sum()) for som in (plain, other)]
    what = f"{side}x{side}, {len(x):,} x {x.shape[1]} {name}: {', '.join(options.values())}"
    against = "20 plain epochs"
    return [
        Claim(
            f"{what}, time as a share of",
            seconds["other"] / seconds["plain"],
            "x",
            against,
            f"<= {cost}" if cost else "",
        ),
        Claim(
            f"{what}, more unexplained variance than",
            100 * (left[1] / left[0] - 1),
            "%",
            against,
            f"<= {loss}" if loss else "",
        ),
    ]


def memory() -> list[Claim]:
    """Peak memory of a fit above the input, in a process of its own."""
    found = []
    for rows in (50_000, 200_000):
        peak = json.loads(in_process("memory", 1, rows))
        bar = 64 + 16 * rows / 2**20
        found.append(
            Claim(
                f"32x32, {rows:,} x {COLUMNS}: peak memory above the input",
                peak,
                "MiB",
                "64 MiB + 16 bytes a row",
                f"<= {bar:.1f}",
            )
        )
    return found


def peak_above_input(rows: int) -> float:
    """MiB. A small fit first: what libraries take once is not the map's."""
    x = blobs(rows, COLUMNS)
    BatchSOM(4, 4, epochs=1, device="cpu").fit(x[:2000])
    before = status("VmRSS")
    forget_peak()
    BatchSOM(32, 32, epochs=3, device="cpu").fit(x)
    return (status("VmHWM") - before) / 1024


def million() -> list[Claim]:
    """A million rows through three levels of 32x32 on two threads, plain and multi-resolution. Wall time."""
    found = json.loads(in_process("million", 2, 0))
    return [
        Claim(
            f"three levels of 32x32, 1,000,000 x {COLUMNS}, 2 threads: {name}",
            wall,
            "s",
            f"{process:.0f} s of processor",
            "<= 60",
        )
        for name, (wall, process) in found.items()
    ]


def million_rows() -> dict[str, tuple[float, float]]:
    """Wall and process time of each schedule."""
    x, found = blobs(1_000_000, COLUMNS), {}
    for schedule in ("multi_resolution", "plain"):
        wall, process = time.monotonic(), time.process_time()
        som = BatchSOM(32, 32, schedule=schedule, device="cpu")
        fit_levels(x, ((32, 32),) * 3, lambda residual, level, som=som: som.fit(residual).weights_)
        found[schedule] = time.monotonic() - wall, time.process_time() - process
    return found


def in_process(what: str, threads: int, rows: int) -> str:
    command = [sys.executable, __file__, "--in-process", what, "--rows", str(rows)]
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    settings = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": paths}
    return subprocess.run(command, env=settings, check=True, capture_output=True, text=True).stdout


def scaling() -> None:
    """Draw the time of an epoch and of both products against N, K and D."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    sweeps = {
        "rows N  (32x32, D = 128)": [(n, n, 32, 128) for n in (6_250, 12_500, 25_000, 50_000, 100_000)],
        "nodes K  (N = 25,000, D = 128)": [(side * side, 25_000, side, 128) for side in (8, 16, 32, 64)],
        "columns D  (N = 25,000, 32x32)": [(d, 25_000, 32, d) for d in (16, 32, 64, 128, 256)],
    }
    for axis, (title, points) in zip(axes, sweeps.items(), strict=True):
        curves: dict[str, list[float]] = {"epoch": [], "winner search": [], "sgemm, oneDNN": [], "sgemm, torch.mm": []}
        for _, rows, side, columns in points:
            x = blobs(rows, columns)
            winners, epoch = pieces(x, side)
            products = (product(x, side * side, 2 << 20, onednn) for onednn in (True, False))
            found = medians(dict(zip(curves, (epoch, winners, *products), strict=True)), 5)
            for name, values in curves.items():
                values.append(1e3 * found[name])
        for (name, values), style in zip(curves.items(), ("o-", "s-", "k--", "k:"), strict=True):
            axis.loglog([point[0] for point in points], values, style, label=name, markersize=4)
        axis.set_xticks([point[0] for point in points], [f"{point[0]:,}" for point in points], fontsize=7)
        axis.minorticks_off()
        axis.set_xlabel(title)
        axis.set_ylabel("ms, one thread")
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False, fontsize=8)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(f"wrote {PICTURE.relative_to(ROOT)}, {PICTURE.stat().st_size >> 10} KiB")


if __name__ == "__main__":
    main()
