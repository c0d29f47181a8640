"""What processes that train together do together. In one process everything here is trivially true.

Every rank must come to each of these calls, in the same order.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist

T = TypeVar("T")
Ints = npt.NDArray[np.int64]


def count() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def index() -> int:
    """0 writes."""
    return dist.get_rank() if count() > 1 else 0


def wait() -> None:
    """Until every rank has come here."""
    if count() > 1:
        dist.barrier()


def anyone(flag: bool) -> bool:
    """Whether the flag is set on any rank."""
    if count() == 1:
        return flag
    seen = torch.tensor(float(flag), device=_device())
    dist.all_reduce(seen, dist.ReduceOp.MAX)
    return bool(seen)


def spread(make: Callable[[Ints], Ints], rows: int) -> Ints:
    """`make(all rows)`, computed in shares: int64 [rows, k], the same on each rank.

    make: from row numbers [m] to int64 [m, k]. Shares are equal (a few rows are made twice), so that ranks that hold
    parts of one model come to each of its layers equally often.
    """
    if count() == 1:
        return make(np.arange(rows))
    each = -(-rows // count())
    padded = np.arange(each * count()) % rows
    mine = torch.from_numpy(make(padded[index() :: count()])).to(_device())
    parts = [torch.empty_like(mine) for _ in range(count())]
    dist.all_gather(parts, mine)
    return torch.stack(parts, 1).flatten(0, 1)[:rows].cpu().numpy()


def first_here(read: Callable[[], T]) -> T:
    """`read()` on rank 0 first (it may tidy up), then on the others."""
    if index() == 0:
        value = read()
    wait()
    if index():
        value = read()
    wait()
    return value


def _device() -> str:
    return "cuda" if dist.get_backend() == "nccl" else "cpu"
