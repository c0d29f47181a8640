"""The batch SOM driven by Lightning: epochs, processes and devices are its trainer's, the mathematics is `som.py`'s.

Optimisation is manual and has no gradient: a training step adds one block of rows to a step's sums; with the last block
of a step the sums are added over all processes and the map is updated. Every process holds the rows. Blocks have a
fixed size and their sums add up without rounding (`sums.py`), so any number of processes gives the same map.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy.typing as npt
import pytorch_lightning as pl
import torch

from refinepoi.quantizer.device import pick
from refinepoi.quantizer.rows import Rows
from refinepoi.quantizer.som import BatchSOM
from refinepoi.quantizer.sums import Sums

OnEpoch = Callable[[int, float, float], None]
"""(epoch, quantization error, sigma) after each epoch."""


class Work(NamedTuple):
    """step: number within the epoch; block: number within the step, -1 for nothing to do; last: of its step."""

    step: int
    block: int
    last: bool


@dataclass(frozen=True)
class Share:
    """
    The work of one process in an epoch whose steps have so many blocks: every `world`-th block of each step, filled
    up with -1, so that all processes take as many turns.
    """

    blocks: tuple[int, ...]
    rank: int = 0
    world: int = 1

    def __len__(self) -> int:
        return sum(self._turns(blocks) for blocks in self.blocks)

    def __iter__(self) -> Iterator[Work]:
        for step, blocks in enumerate(self.blocks):
            turns = self._turns(blocks)
            for turn in range(turns):
                block = turn * self.world + self.rank
                yield Work(step, block if block < blocks else -1, turn == turns - 1)

    def _turns(self, blocks: int) -> int:
        return -(-blocks // self.world)


class SomModule(pl.LightningModule):
    """som: not yet started; rows: the data; on_epoch: called in the first process."""

    def __init__(self, som: BatchSOM, rows: Rows, on_epoch: OnEpoch | None = None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.som, self.rows, self.on_epoch = som, rows, on_epoch
        # A parameter, so that strategies find something to synchronise.
        self.weights = torch.nn.Parameter(torch.zeros(som.height * som.width, len(rows.mean)))
        self._total: Sums | None = None

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return []

    def on_fit_start(self) -> None:
        self.som.start(self.rows, device=self.device)

    def train_dataloader(self) -> Share:
        blocks = tuple(self.som.blocks_of(step) for step in self.som.steps_[self.current_epoch])
        return Share(blocks, self.trainer.global_rank, self.trainer.world_size)

    def training_step(self, batch: Work, batch_idx: int) -> None:
        if self._total is None:
            self._total = self.som.begin(self.som.steps_[self.current_epoch][batch.step])
        if batch.block >= 0:
            self.som.accumulate(self._total, batch.block)
        if batch.last:
            self._add_over_processes(self._total)
            self.som.update(self._total)
            self._total = None

    def on_train_epoch_end(self) -> None:
        if self.on_epoch is not None and self.trainer.is_global_zero:
            sigma = float(self.som.sigmas_[self.current_epoch])
            self.on_epoch(self.current_epoch, self.som.quantization_errors_[-1], sigma)

    def on_fit_end(self) -> None:
        self.som.finish()
        with torch.no_grad():
            self.weights.copy_(torch.from_numpy(self.som.weights_))

    def _add_over_processes(self, mine: Sums) -> None:
        if self.trainer.world_size > 1:
            every = self.trainer.strategy.reduce(torch.from_numpy(mine.flat).to(self.device), reduce_op="sum")
            mine.flat[:] = torch.as_tensor(every).cpu().numpy()


def fit_som(som: BatchSOM, x: npt.ArrayLike, on_epoch: OnEpoch | None = None, **trainer: Any) -> BatchSOM:
    """Train `som` on x [N, D] through Lightning, calmly: no files, no bars, no lines. `trainer`: further arguments."""
    module = SomModule(som, Rows.survey(x), on_epoch)
    accelerator = "gpu" if pick(som.device).type == "cuda" else "cpu"
    with calm():
        pl.Trainer(
            max_epochs=som.epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=1,
            **{"accelerator": accelerator, "devices": 1, **trainer},
        ).fit(module)
    return som


@contextmanager
def calm() -> Iterator[None]:
    """Lightning reports devices and ends of runs at INFO: nothing a user of one stage among many needs."""
    # Lightning 2.6 builds torch's LeafSpec, which torch 2.13 deprecates; Lightning's to mend.
    leaf = r"`isinstance\(treespec, LeafSpec\)` is deprecated"
    lightning = logging.getLogger("pytorch_lightning")
    level = lightning.level
    lightning.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=leaf, category=FutureWarning)
            # One process is what is wanted here, on a machine with Slurm too.
            warnings.filterwarnings("ignore", message="The `srun` command is available", category=UserWarning)
            yield
    finally:
        lightning.setLevel(level)
