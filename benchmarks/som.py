"""Speed of the batch SOM against the hardware's own matrix product and against named peers.

    python benchmarks/som.py            under two minutes: MiniSom on 2,000 rows, scaled by rows (its time is linear)
    python benchmarks/som.py --full     MiniSom on all rows; a million rows through three levels of 32x32

One thread, process time, contenders interleaved in each repeat, medians. `sgemm` is the product [N, D] x [D, K] that
any exact winner search needs, measured in the same run and chunks, by MKL (torch.mm) and by oneDNN, which is faster on
AMD and the hardware's own figure there. XPySom and faiss are measured where they can be imported.
Writes benchmarks/results/som.json.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from minisom import MiniSom

from refinepoi.quantizer.hierarchy import fit_levels
from refinepoi.quantizer.rows import Rows
from refinepoi.quantizer.som import BatchSOM
from refinepoi.quantizer.winners import CHUNK_BYTES, affine

RESULTS = Path(__file__).parent / "results" / "som.json"
EPOCHS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--columns", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--full", action="store_true", help="MiniSom on all rows, and the million-row run")
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    x = blobs(options.rows, options.columns)
    found: list[dict[str, Any]] = []
    for side in (16, 32):
        found += one_size(x, side, options.repeats, options.rows if options.full else min(2000, options.rows))
    if options.full:
        found += million(options.columns)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{'claim':<64}{'value':>12} {'unit':<10}{'bar':<10}peer")
    for row in found:
        print(f"{row['claim']:<64}{row['value']:>12.4g} {row['unit']:<10}{row['bar']:<10}{row['peer']}")


def blobs(rows: int, columns: int) -> np.ndarray:
    """float32 [rows, columns]: 300 blobs, as embeddings are lumpy."""
    draw = np.random.default_rng(0)
    centres = draw.standard_normal((300, columns), dtype=np.float32)
    return centres[draw.integers(0, 300, rows)] + 0.5 * draw.standard_normal((rows, columns), dtype=np.float32)


def one_size(x: np.ndarray, side: int, repeats: int, minisom_rows: int) -> list[dict[str, Any]]:
    """All claims on a side x side map."""
    nodes, size = side * side, f"{side}x{side}"
    rows, som = Rows.survey(x), BatchSOM(side, side, epochs=EPOCHS)
    som.start(rows)
    sigma = side / 8

    def epoch() -> None:
        total = som.empty_sums()
        for number in range(rows.blocks):
            total += som.accumulate(*rows.block(number))
        som.update(total, sigma)

    contenders: dict[str, Callable[[], object]] = {
        "MKL": product(x, nodes, lambda part, weights, bias: torch.addmm(bias, part, weights.T)),
        "oneDNN": product(x, nodes, affine),
        "winners": lambda: som._search.nearest(x),
        "epoch": epoch,
        **peers(x, side),
    }
    seconds = medians(contenders, repeats)
    theirs, difference = against_minisom(x[:minisom_rows], side)
    theirs *= len(x) / minisom_rows

    def claim(text: str, value: float, unit: str, peer: str, bar: str) -> dict[str, Any]:
        return {
            "claim": f"{size}, {len(x)} x {x.shape[1]}: {text}",
            "value": value,
            "unit": unit,
            "peer": peer,
            "bar": bar,
        }

    found = []
    for library in ("MKL", "oneDNN"):
        sgemm = seconds[library]
        peer = f"{library} sgemm, {2e-9 * x.size * nodes / sgemm:.0f} GFLOP/s"
        found.append(claim("winner search, share of sgemm", sgemm / seconds["winners"], "share", peer, ">= 0.9"))
        bar = ">= 0.8" if side == 32 else ">= 0.7"
        found.append(claim("whole epoch, share of sgemm", sgemm / seconds["epoch"], "share", peer, bar))
    found += [
        claim("epoch, time per row", 1e6 * seconds["epoch"] / len(x), "us", "", ""),
        claim("epoch, times faster", theirs / seconds["epoch"], "x", "MiniSom train_batch_offline", ">= 100"),
        claim("largest difference of weights", difference, "abs", "MiniSom train_batch_offline", "<= 1e-5"),
    ]
    if "XPySom" in seconds:
        found.append(claim("epoch, times faster", seconds["XPySom"] / seconds["epoch"], "x", "XPySom", ">= 3.5"))
    if "faiss" in seconds:
        found.append(
            claim("epoch, share of its time", seconds["epoch"] / seconds["faiss"], "x", "faiss k-means", "<= 1.1")
        )
    return found


Product = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def product(x: np.ndarray, nodes: int, multiply: Product) -> Callable[[], object]:
    """The matrix product of a winner search alone, in the same chunks."""
    data, chunk = torch.from_numpy(x), CHUNK_BYTES // (4 * nodes)
    weights, bias = torch.randn(nodes, x.shape[1]), torch.randn(nodes)

    def run() -> None:
        for start in range(0, len(data), chunk):
            multiply(data[start : start + chunk], weights, bias)

    return run


def peers(x: np.ndarray, side: int) -> dict[str, Callable[[], object]]:
    """One epoch of other libraries, where they are installed."""
    found: dict[str, Callable[[], object]] = {}
    if find_spec("xpysom"):
        from xpysom import XPySom

        other = XPySom(side, side, x.shape[1], sigma=side / 4, sigmaN=0.5, xp=np)
        other.pca_weights_init(x[:2000])
        found["XPySom"] = lambda: other.train(x, 1)
    if find_spec("faiss"):
        import faiss

        faiss.omp_set_num_threads(1)
        index, weights = faiss.IndexFlatL2(x.shape[1]), x[: side * side].copy()
        settings = {"niter": 1, "max_points_per_centroid": len(x), "min_points_per_centroid": 1}
        cluster = faiss.Clustering(x.shape[1], side * side)
        for name, value in settings.items():
            setattr(cluster, name, value)

        def run() -> None:
            index.reset()
            index.add(weights)
            cluster.train(x, index)

        found["faiss"] = run
    return found


def medians(contenders: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median process time of each, all of them once in every repeat; one round before to warm up."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in range(repeats + 1):
        for name, run in contenders.items():
            start = time.process_time()
            run()
            if repeat:
                times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def against_minisom(x: np.ndarray, side: int, epochs: int = 2) -> tuple[float, float]:
    """Seconds of one MiniSom epoch, and the largest difference of the weights after `epochs` on the same sigmas."""
    ours = BatchSOM(side, side, epochs=epochs, sigma_end=side / 8).fit(x)
    start = BatchSOM(side, side, epochs=epochs, sigma_end=side / 8)
    start.start(Rows.survey(x))
    theirs = MiniSom(side, side, x.shape[1], sigma=float(start.sigmas_[0]), learning_rate=1.0)
    theirs._weights[:] = start.weights_.reshape(side, side, -1)
    wide, seconds = x.astype(np.float64), []
    for sigma in start.sigmas_:  # one iteration at a time: its decays return the start sigma at iteration 0
        theirs._sigma = float(sigma)
        before = time.process_time()
        theirs.train_batch_offline(wide, 1)
        seconds.append(time.process_time() - before)
    difference = np.abs(ours.weights_ - theirs.get_weights().reshape(side * side, -1)).max()
    return statistics.median(seconds), float(difference)


def million(columns: int) -> list[dict[str, Any]]:
    """A million rows through three levels of 32x32, wall time on the threads this process may use."""
    x, start = blobs(1_000_000, columns), time.monotonic()
    fit_levels(x, ((32, 32),) * 3, lambda r, level: BatchSOM(32, 32, epochs=EPOCHS).fit(r).weights_)
    text = f"three levels of 32x32, 1000000 x {columns}, {torch.get_num_threads()} threads"
    return [{"claim": text, "value": time.monotonic() - start, "unit": "s", "peer": "", "bar": "<= 60"}]


if __name__ == "__main__":
    main()
