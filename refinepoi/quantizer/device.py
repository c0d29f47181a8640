"""The same winners on a GPU: products, least and second least there, near ties in float64 here.

Winners near a tie are decided by the same float64 code on the CPU, and rows are added to their node in the same order
in float32, so a map does not depend on the device it was trained on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch

from refinepoi.core.errors import UserError
from refinepoi.quantizer.winners import F32, F64, I64, WinnerSearch, affine

Device = Literal["auto", "cpu", "cuda"]
CHUNK_BYTES = 256 << 20


def pick(device: Device) -> torch.device:
    """`auto`: the GPU when there is one. Raises UserError where a GPU is asked for and there is none."""
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"device={device!r}: give auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device='cuda' was asked for and torch sees no GPU; use 'cpu' or 'auto'")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


class DeviceSearch(WinnerSearch):
    """`WinnerSearch` whose products are made on `device`."""

    def __init__(self, centred: F64, centre: F64, scale: float, device: torch.device) -> None:
        self._device = device
        super().__init__(centred, centre, scale)

    def _lay(self, centred: F64, factor: torch.Tensor, bias: torch.Tensor) -> None:
        super()._lay(centred, factor, bias)
        self._there = factor.to(self._device), bias.to(self._device)
        self._wide = max(1, CHUNK_BYTES // (4 * self.nodes))

    def _two_least(self, x: F32, rows: torch.Tensor | None) -> tuple[I64, F32, F32]:
        rows = torch.from_numpy(x).to(self._device) if rows is None else rows
        parts = [self._least_of(part) for part in rows.split(self._wide)]
        codes, least, second = (torch.cat(values).cpu().numpy() for values in zip(*parts, strict=True))
        return codes, least, second

    def _least_of(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        with _whole_float32():
            table = affine(rows, *self._there)
        least, codes = table.min(1)
        table.scatter_(1, codes[:, None], np.inf)
        return codes, least, table.amin(1)


class Resident:
    """Blocks of rows that stay on the device from pass to pass, as long as half of its free memory lasts."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._kept: dict[tuple[int, ...], torch.Tensor] = {}
        self._room = torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else 0

    def put(self, key: tuple[int, ...], block: F32) -> torch.Tensor:
        """The block on the device. On the CPU that is the block itself."""
        if key in self._kept:
            return self._kept[key]
        tensor = torch.from_numpy(block).to(self.device)
        if block.nbytes <= self._room:
            self._room -= block.nbytes
            self._kept[key] = tensor
        return tensor


@contextmanager
def _whole_float32() -> Iterator[None]:
    """Products in float32 proper: TF32 errs a thousand times as much as the search allows for."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
