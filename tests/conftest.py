"""Settings every test shares: threads that sleep when they wait, a plain tracker, the real data's folder."""

import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["WANDB_MODE"] = "offline"

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder named by REFINEPOI_DATA (it holds `nyc/`); the test is skipped without it."""
    folder = os.environ.get("REFINEPOI_DATA")
    if not folder:
        pytest.skip("REFINEPOI_DATA names no folder of real check-ins")
    return Path(folder)
