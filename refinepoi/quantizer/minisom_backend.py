"""`quantizer=minisom`: each level trained by the minisom package itself, for comparison and for trust.

`batch_offline` runs MiniSom.train_batch_offline one iteration per epoch. At its iteration 0 every decay function of
MiniSom (2.3.6) returns its start value, so setting the start sigma before each epoch gives our schedule exactly;
MiniSom's own decays end at sigma_0 / 3 or 1. `online` runs MiniSom.train with its own decays, epochs x rows steps.
"""

from collections.abc import Callable

import numpy as np
from minisom import MiniSom

from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.schedule import sigmas
from refinepoi.quantizer.winners import F32

OnEpoch = Callable[[int, float, float], None]


def fit_minisom(
    x: F32,
    grid: tuple[int, int],
    *,
    training: str,
    epochs: int,
    init: str,
    sigma_start: float,
    sigma_end: float,
    learning_rate: float,
    seed: int,
    on_epoch: OnEpoch | None = None,
) -> F32:
    """x: float32 [N, D]; sigmas in cells. Returns weights float32 [H * W, D], row-major."""
    height, width = grid
    sigma_start = min(max(sigma_start, sigma_end), float(np.hypot(height, width)))
    rate = 1.0 if training == "batch_offline" else learning_rate
    som = MiniSom(height, width, x.shape[1], sigma=sigma_start, learning_rate=rate, random_seed=seed)
    rows = x.astype(np.float64)
    if init == "pca" and min(height, width, x.shape[1]) > 1 and len(x) > 1:  # MiniSom's PCA needs all of these
        som.pca_weights_init(rows)
    else:
        som.random_weights_init(rows)
    if training == "online":
        som.train(rows, epochs * len(rows), random_order=True)
        if on_epoch is not None:
            on_epoch(epochs - 1, som.quantization_error(rows), som._sigma / 3)
    else:
        for epoch, sigma in enumerate(sigmas(sigma_start, sigma_end, epochs)):
            som._sigma = float(sigma)
            som.train_batch_offline(rows, 1)
            if on_epoch is not None:
                on_epoch(epoch, som.quantization_error(rows), float(sigma))
    weights: F32 = som.get_weights().reshape(Lattice(height, width).nodes, -1).astype(np.float32)
    return weights
