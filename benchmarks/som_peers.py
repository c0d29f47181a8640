"""One epoch of other libraries' maps, each where it can be imported: what benchmarks/som.py measures ours against.

Installed for the benchmark only (`pip install xpysom python-som torchsom hdbscan susi somoclu faiss-cpu`). Slow ones
are given fewer rows; their time is linear in rows and is scaled.
"""

import contextlib
import importlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from minisom import MiniSom

from refinepoi.quantizer.rows import Rows
from refinepoi.quantizer.som import BatchSOM

FEW = 4000


@dataclass
class Peer:
    """run: an epoch over `rows` rows. reason: why there is none."""

    name: str
    what: str
    rows: int = 0
    run: Callable[[], object] | None = None
    reason: str = ""


def peers(x: np.ndarray, side: int) -> list[Peer]:
    """Every peer, runnable or with the reason why not."""
    makers: dict[str, tuple[str, str, str, Callable[[Any, np.ndarray, int], Peer]]] = {
        "minisom": ("minisom", "MiniSom", "train_batch_offline", _minisom),
        "xpysom": ("xpysom", "XPySom", "train, NumPy", _xpysom),
        "python_som": ("python-som", "python-som", "train, mode=batch, with its closing error", _python_som),
        "torchsom": ("torchsom", "torchsom", "fit, batches of 256, with its errors", _torchsom),
        "susi": ("susi", "SuSi", "fit, batch", _susi),
        "somoclu": ("somoclu", "somoclu", "train", _somoclu),
        "faiss": ("faiss-cpu", "faiss k-means", "train, niter=1", _faiss),
    }
    found = []
    for module, (package, name, what, make) in makers.items():
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                library = importlib.import_module(module)
                peer = make(library, x, side)
            peer.name, peer.what = f"{name} {version(package)}", what
        except (ImportError, PackageNotFoundError, RuntimeError) as error:
            peer = Peer(name, what, reason=f"not measured: {error}")
        found.append(peer)
    return found


def _minisom(library: Any, x: np.ndarray, side: int) -> Peer:
    rows = x[:FEW].astype(np.float64)
    som = MiniSom(side, side, x.shape[1], sigma=side / 8, learning_rate=1.0, random_seed=0)
    som.random_weights_init(rows)
    return Peer("", "", len(rows), lambda: som.train_batch_offline(rows, 1))


def _xpysom(library: Any, x: np.ndarray, side: int) -> Peer:
    som = library.XPySom(side, side, x.shape[1], sigma=side / 8, sigmaN=0.5, xp=np, random_seed=0)
    return Peer("", "", len(x), lambda: som.train(x, 1))


def _python_som(library: Any, x: np.ndarray, side: int) -> Peer:
    rows, som = x[:FEW], library.SOM(side, side, x.shape[1], neighborhood_radius=side / 8, random_seed=0)
    return Peer("", "", len(rows), lambda: som.train(rows, 1, mode="batch"))


def _torchsom(library: Any, x: np.ndarray, side: int) -> Peer:
    rows = torch.from_numpy(x[:FEW])
    som = library.SOM(side, side, x.shape[1], epochs=1, batch_size=256, sigma=side / 8, device="cpu")
    return Peer("", "", len(rows), lambda: som.fit(rows, verbose=False))


def _susi(library: Any, x: np.ndarray, side: int) -> Peer:
    rows = x[: FEW // 8]
    settings = {"n_iter_unsupervised": 1, "train_mode_unsupervised": "batch", "n_jobs": 1, "random_state": 0}
    som = library.SOMClustering(n_rows=side, n_columns=side, verbose=0, **settings)
    return Peer("", "", len(rows), lambda: som.fit(rows))


def _somoclu(library: Any, x: np.ndarray, side: int) -> Peer:
    if not hasattr(importlib.import_module("somoclu.train"), "wrap_train"):
        raise RuntimeError("it installed without its compiled library, which it needs to train")
    rows, som = x[:FEW], library.Somoclu(side, side, compactsupport=False)
    return Peer("", "", len(rows), lambda: som.train(rows, epochs=1, radius0=side / 8, radiusN=side / 8))


def _faiss(library: Any, x: np.ndarray, side: int) -> Peer:
    library.omp_set_num_threads(1)
    index, weights = library.IndexFlatL2(x.shape[1]), x[: side * side].copy()
    cluster = library.Clustering(x.shape[1], side * side)
    settings = {"niter": 1, "max_points_per_centroid": len(x), "min_points_per_centroid": 1}
    for name, value in settings.items():
        setattr(cluster, name, value)

    def run() -> None:
        index.reset()
        index.add(weights)
        cluster.train(x, index)

    return Peer("", "", len(x), run)


def difference_from_minisom(x: np.ndarray, side: int, epochs: int = 3) -> float:
    """The largest difference of the weights after `epochs` on the same sigmas and first weights."""
    som = BatchSOM(side, side, epochs=epochs, sigma_end=side / 8, device="cpu")
    som.start(Rows.survey(x))
    theirs = MiniSom(side, side, x.shape[1], sigma=float(som.sigmas_[0]), learning_rate=1.0)
    theirs._weights[:] = som.weights_.reshape(side, side, -1)
    for sigma in som.sigmas_:  # one iteration at a time: its decays return the start sigma at iteration 0
        theirs._sigma = float(sigma)
        theirs.train_batch_offline(x.astype(np.float64), 1)
    return float(np.abs(som.fit(x).weights_ - theirs.get_weights().reshape(side * side, -1)).max())
