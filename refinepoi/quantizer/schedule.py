"""Sigma over the epochs: sigma_t = sigma_0 (sigma_T / sigma_0)^(t/T), t = 0..T (docs/method.md section 3).

T is the number of the last epoch, so the first epoch uses sigma_0 and the last one sigma_T. One epoch alone uses
sigma_T. `linear` and `cosine` run between the same ends.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

Decay = Literal["exponential", "linear", "cosine"]


def sigmas(start: float, end: float, epochs: int, decay: Decay = "exponential") -> npt.NDArray[np.float64]:
    """[epochs] sigmas in cells. A start below the end is raised to it: a map never gets stiffer while it trains."""
    start = max(start, end)
    if epochs == 1:
        return np.array([end], np.float64)
    t = np.linspace(0.0, 1.0, epochs)
    if decay == "linear":
        values = start + (end - start) * t
    elif decay == "cosine":
        values = end + (start - end) * (1 + np.cos(np.pi * t)) / 2
    else:
        values = start * (end / start) ** t
    return values.astype(np.float64)
