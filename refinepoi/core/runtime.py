"""Runtime: where and how fast a run is computed. Nothing here enters an artifact's key (proved by a test)."""

import ctypes
import os
import platform
from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import Field

from refinepoi.core.resources import may_have_gpu, usable_cores
from refinepoi.core.spec import Count, Positive, Spec


class Ddp(Spec):
    """Each process holds the whole model and reads its share of a batch. CPU or GPU."""

    kind: Literal["ddp"]


class Fsdp(Spec):
    """Each process holds a shard of weights, gradients and optimizer (PyTorch FSDP2). GPUs."""

    kind: Literal["fsdp"]
    reshard: bool = Field(description="give gathered weights back after the forward pass: less memory, more traffic")
    offload: bool = Field(description="keep shards in the machine's memory")


class DeepSpeed(Spec):
    """Each process holds a shard of what the ZeRO stage says. GPUs; needs the package deepspeed."""

    kind: Literal["deepspeed"]
    stage: Literal[1, 2] = Field(description="what is sharded: 1 optimizer, 2 and gradients; for weights use fsdp")
    offload: bool = Field(description="keep the optimizer in the machine's memory")


Strategy = Annotated[Ddp | Fsdp | DeepSpeed, Field(discriminator="kind")]


class Vllm(Spec):
    """Where and how large the vLLM engine of `grpo.engine` is."""

    host: str = Field(min_length=1, description="of a server, started as in docs/scale.md")
    port: int = Field(ge=1, le=65535)
    timeout: Positive = Field(description="seconds to wait for the server")
    memory: float = Field(gt=0, lt=1, description="colocated: share of the GPU's memory that vLLM takes")
    sleep: bool = Field(description="colocated: free that memory during optimizer steps; waking costs time")


class Runtime(Spec):
    device: Literal["auto", "cpu", "cuda"]
    processes: Count = Field(description="processes that train the language model together; 1: this one alone")
    strategy: Strategy = Field(description="how several processes share a model")
    vllm: Vllm
    threads: int = Field(ge=0, description="torch threads of all processes together; 0: as many as there may be")
    workers: int = Field(ge=0, description="data loader processes")
    micro_batch: Count = Field(description="most sequences in one forward-backward pass of one process")
    store: str = Field(min_length=1, description="folder of the artifacts")
    refresh: tuple[str, ...] = Field(description="stages to compute again although the store has them")
    progress: bool

    def problems(self) -> list[str]:
        kind, found = self.strategy.kind, list[str]()
        if kind != "ddp" and self.device == "cpu":
            found.append(f"runtime.strategy: {kind} needs GPUs (got runtime.device=cpu); use runtime/strategy=ddp")
        elif kind != "ddp" and not may_have_gpu():
            found.append(f"runtime.strategy: {kind} needs GPUs and this machine has none; use runtime/strategy=ddp")
        if kind == "deepspeed" and find_spec("deepspeed") is None:
            found.append("runtime.strategy: deepspeed is not installed; install it, or use runtime/strategy=fsdp")
        if self.device == "cuda" and not may_have_gpu():
            found.append("runtime.device: cuda, but this machine has no GPU; use runtime.device=cpu")
        return found


def prepare_process(threads: int = 0) -> None:
    """Set what must be set before torch is imported. What the environment already says is left as it is.

    Waiting threads sleep instead of spinning: on shared cores spinning costs five times the time. threads: 0 for the
    cores this process may use: its affinity and its container's quota, not what the machine has.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy: its spinning threads cost more than they bring
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads or usable_cores()))
    if platform.libc_ver()[0] == "glibc" and not any(name.startswith(("MALLOC_", "GLIBC_")) for name in os.environ):
        _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Let glibc keep blocks up to 32 MiB, and 256 MiB of them, for the next request.

    By itself it hands every intermediate result back to the system, which clears the pages it lends out again: a
    quarter of the time of a small model's pass (benchmarks/decoding.py).
    """
    library = ctypes.CDLL(None)
    trim_threshold, mmap_threshold = -1, -3  # malloc.h; one alone makes it worse: setting any ends their own adapting
    library.mallopt(mmap_threshold, 32 << 20)
    library.mallopt(trim_threshold, 256 << 20)
