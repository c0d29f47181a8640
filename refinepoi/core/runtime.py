"""Runtime: where and how fast a run is computed. Nothing here enters an artifact's key (proved by a test)."""

import os
from typing import Literal

from pydantic import Field

from refinepoi.core.spec import Count, Spec


class Runtime(Spec):
    device: Literal["auto", "cpu", "cuda"]
    threads: int = Field(ge=0, description="torch threads; 0: as many as the process may use")
    workers: int = Field(ge=0, description="data loader processes")
    micro_batch: Count = Field(description="most sequences in one forward-backward pass")
    store: str = Field(min_length=1, description="folder of the artifacts")
    refresh: tuple[str, ...] = Field(description="stages to compute again although the store has them")
    progress: bool


def prepare_process(threads: int = 0) -> None:
    """Set what must be set before torch is imported: waiting threads sleep instead of spinning on shared cores."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy: its spinning threads cost more than they bring
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if threads:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
