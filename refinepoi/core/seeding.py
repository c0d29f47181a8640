"""One integer seeds everything a stage draws. NumPy generators for our own draws; torch where libraries draw."""

import numpy as np


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """An independent NumPy generator for each (seed, purpose): adding a draw elsewhere changes nothing here."""
    return np.random.default_rng([seed, *(int.from_bytes(p.encode(), "little") for p in purpose)])


def seed_torch(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators, for libraries that draw from them."""
    import random

    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
