"""The batch SOM driven by Lightning: epochs, processes and devices are its trainer's, the mathematics is `som.py`'s.

Optimisation is manual and has no gradient: a training step adds one block of rows to the epoch's sums, the end of the
epoch sums them over all processes and updates the map. Blocks have a fixed size and sums are float64, so one process
and several give the same map. Batches are block numbers; every process holds the rows.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
import torch

from refinepoi.quantizer.rows import Rows
from refinepoi.quantizer.som import BatchSOM, Sums

OnEpoch = Callable[[int, float, float], None]
"""(epoch, quantization error, sigma) after each epoch."""


@dataclass(frozen=True)
class BlockNumbers:
    """The block numbers of one process: every `world`-th; -1 fills up, so that all processes take as many steps."""

    blocks: int
    rank: int = 0
    world: int = 1

    def __len__(self) -> int:
        return -(-self.blocks // self.world)

    def __iter__(self) -> Iterator[int]:
        for number in range(self.rank, len(self) * self.world, self.world):
            yield number if number < self.blocks else -1


class SomModule(pl.LightningModule):
    """som: not yet started; rows: the data; on_epoch: called in the first process."""

    def __init__(self, som: BatchSOM, rows: Rows, on_epoch: OnEpoch | None = None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.som, self.rows, self.on_epoch = som, rows, on_epoch
        som.start(rows)
        # A parameter, so that checkpoints hold the map and strategies find something to synchronise.
        self.weights = torch.nn.Parameter(torch.from_numpy(som.weights_.copy()))
        self._total = som.empty_sums()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return []

    def train_dataloader(self) -> "BlockNumbers":
        return BlockNumbers(self.rows.blocks, self.trainer.global_rank, self.trainer.world_size)

    def on_train_epoch_start(self) -> None:
        self._total = self.som.empty_sums()

    def training_step(self, batch: int, batch_idx: int) -> None:
        if batch >= 0:
            self._total += self.som.accumulate(*self.rows.block(batch))

    def on_train_epoch_end(self) -> None:
        sigma = float(self.som.sigmas_[self.current_epoch])
        self.som.update(self._over_processes(self._total), sigma)
        with torch.no_grad():
            self.weights.copy_(torch.from_numpy(self.som.weights_))
        if self.on_epoch is not None and self.trainer.is_global_zero:
            self.on_epoch(self.current_epoch, self.som.quantization_errors_[-1], sigma)

    def _over_processes(self, mine: Sums) -> Sums:
        if self.trainer.world_size == 1:
            return mine
        flat = np.concatenate([mine.sums.ravel(), mine.counts, [mine.error, mine.squared]])
        every = self.trainer.strategy.reduce(torch.from_numpy(flat).to(self.device), reduce_op="sum")
        flat = torch.as_tensor(every).cpu().numpy()
        cut = mine.sums.size
        return Sums(flat[:cut].reshape(mine.sums.shape), flat[cut:-2], float(flat[-2]), float(flat[-1]))


def fit_som(som: BatchSOM, x: npt.ArrayLike, on_epoch: OnEpoch | None = None, **trainer: Any) -> BatchSOM:
    """Train `som` on x [N, D] through Lightning, calmly: no files, no bars, no lines. `trainer`: further arguments."""
    module = SomModule(som, Rows.survey(x), on_epoch)
    settings = {"accelerator": "cpu", "devices": 1, **trainer}
    with _calm():
        pl.Trainer(
            max_epochs=som.epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            **settings,
        ).fit(module)
    return som


@contextmanager
def _calm() -> Iterator[None]:
    """Lightning reports devices and ends of runs at INFO: nothing a user of one stage among many needs."""
    # Lightning 2.6 builds torch's LeafSpec, which torch 2.13 deprecates; Lightning's to mend.
    leaf = r"`isinstance\(treespec, LeafSpec\)` is deprecated"
    lightning = logging.getLogger("pytorch_lightning")
    level = lightning.level
    lightning.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=leaf, category=FutureWarning)
            yield
    finally:
        lightning.setLevel(level)
