"""Where a language model is trained, and in what precision."""

import torch

from refinepoi.core.errors import UserError


def use_cpu(device: str, precision: str, stage: str, engine: str = "transformers") -> bool:
    """Whether to train on the CPU. device: of `runtime`. Raises UserError where precision or engine need a GPU.

    CPUs without bfloat16 units emulate it: measured 5 to 7 times slower than float32, so it is never used there.
    """
    cpu = device == "cpu" or not torch.cuda.is_available()
    if device == "cuda" and cpu:
        raise UserError("runtime.device: cuda, but torch sees no GPU; give runtime.device=cpu or install a CUDA build")
    if cpu and precision == "bfloat16":
        raise UserError(f"{stage}.precision: bfloat16 needs a GPU and there is none; give {stage}.precision=float32")
    if cpu and engine != "transformers":
        raise UserError(f"{stage}.engine: {engine} needs a GPU and there is none; give {stage}.engine=transformers")
    return cpu
