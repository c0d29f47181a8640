"""The encoder as a LightningModule: which POIs meet in a step, the loss, the optimizer (docs/method.md section 2).

A step joins `batch_size` co-visited pairs and, where the weights ask for it, as many single POIs in two views. Loaders
yield step numbers only: pairs and dropout of a step are drawn from (seed, epoch, step), so that a run resumed at an
epoch's end meets exactly the batches of a run that was never interrupted.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from refinepoi.core.seeding import generator
from refinepoi.encoder.loss import alignment, info_nce, same_group, uniformity
from refinepoi.encoder.network import Network, encode
from refinepoi.encoder.pairs import Known, Pairs
from refinepoi.encoder.spec import ContrastiveSpec

UNIFORMITY_ROWS = 2048


class ContrastiveEncoder(pl.LightningModule):
    """
    features float32 [P, F]; blocks: column ranges that feature dropout may hide; groups int64 [P], -1: none; trained
    bool [P]: POIs that may be drawn (those of a test city may not).
    """

    features: Tensor
    groups: Tensor
    held: Tensor

    def __init__(
        self,
        spec: ContrastiveSpec,
        features: npt.NDArray[np.float32],
        blocks: Sequence[tuple[int, int]],
        groups: npt.NDArray[np.int64],
        trained: npt.NDArray[np.bool_],
        train: Pairs,
        held: Pairs,
    ) -> None:
        super().__init__()
        self.spec, self.train_pairs, self.blocks = spec, train, tuple(blocks)
        size, width = features.shape
        self.network = Network((width, *spec.hidden, spec.dimensions), spec.seed)
        self.register_buffer("features", torch.from_numpy(features), persistent=False)
        self.register_buffer("groups", torch.from_numpy(groups), persistent=False)
        self.held_pairs = held
        held = held.take(generator(spec.seed, "validation order").permutation(len(held)))
        self.register_buffer("held", torch.from_numpy(np.stack([held.first, held.second])), persistent=False)
        self.trained = np.flatnonzero(trained)
        self.known, self.known_and_held = Known(train, size), Known(train.join(held), size)
        self._order: tuple[int, Tensor, Tensor] | None = None

    # Steps -----------------------------------------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last, incomplete batch is left out, since the loss depends on the batch's size."""
        return max(1, len(self.train_pairs) // self.spec.batch_size)

    def train_dataloader(self) -> Sequence[int]:
        return range(self.steps)

    def val_dataloader(self) -> Sequence[int]:
        return range(max(1, self.held.shape[1] // self.spec.batch_size))

    def training_step(self, step: int, _: int) -> Tensor:
        weights, temperature = self.spec.positives, self.spec.temperature
        draws = torch.Generator(device=self.device)
        draws.manual_seed(int(generator(self.spec.seed, "dropout", f"{self.current_epoch}-{step}").integers(2**63)))
        pairs, singles = self.batch(step)
        loss = torch.zeros((), device=self.device)
        if weights.covisit > 0:
            one, other = self._view(pairs.flatten(), draws).chunk(2)
            loss = loss + weights.covisit * info_nce(one, other, self.known.mask(*pairs), temperature)
        if weights.views > 0 or weights.category > 0:
            one, other = self._view(singles.repeat(2), draws).chunk(2)
            loss = loss + weights.views * info_nce(one, other, self.known.mask(singles, singles), temperature)
            loss = loss + weights.category * same_group(one, other, self.groups[singles], temperature)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=1)
        return loss

    def validation_step(self, step: int, _: int) -> None:
        one, other = self.held[:, step * self.spec.batch_size : (step + 1) * self.spec.batch_size]
        vectors = self.network(self.features[torch.cat([one, other])])
        first, second = vectors.chunk(2)
        loss = info_nce(first, second, self.known_and_held.mask(one, other), self.spec.temperature)
        self.log("validation_loss", loss, on_step=False, on_epoch=True, batch_size=1)

    def on_validation_epoch_end(self) -> None:
        vectors = encode(self.network, self.features)
        every = max(1, len(self.trained) // UNIFORMITY_ROWS)
        self.log("alignment", alignment(vectors[self.held[0]], vectors[self.held[1]]))
        self.log("uniformity", uniformity(vectors[self.trained[::every]]))

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """(pairs int64 [2, B], single POIs int64 [<= B]) of this step of the current epoch."""
        epoch, size = self.current_epoch, self.spec.batch_size
        if self._order is None or self._order[0] != epoch:
            draws = generator(self.spec.seed, "order", str(epoch))
            weights = self.train_pairs.count.astype(np.float64) ** self.spec.count_power
            rows = draws.choice(len(weights), self.steps * size, p=weights / weights.sum())
            pairs = np.stack([self.train_pairs.first[rows], self.train_pairs.second[rows]])
            rounds = math.ceil(self.steps * size / len(self.trained))
            singles = self.trained[np.stack([draws.permutation(len(self.trained)) for _ in range(rounds)]).ravel()]
            self._order = epoch, torch.from_numpy(pairs).to(self.device), torch.from_numpy(singles).to(self.device)
        _, all_pairs, all_singles = self._order
        part = slice(step * size, (step + 1) * size)
        return all_pairs[:, part], all_singles[part]

    def _view(self, pois: Tensor, draws: torch.Generator) -> Tensor:
        """Vectors of these POIs under feature dropout: single columns and whole blocks are set to zero, the mean."""
        rows, drop = self.features[pois], self.spec.dropout
        if drop.columns > 0:
            keep = torch.rand(rows.shape, generator=draws, device=self.device) >= drop.columns
            rows = rows * keep / (1 - drop.columns)
        if drop.blocks > 0:
            keep = torch.rand((len(rows), len(self.blocks)), generator=draws, device=self.device) >= drop.blocks
            widths = torch.tensor([stop - start for start, stop in self.blocks], device=self.device)
            rows = rows * keep.repeat_interleave(widths, dim=1)
        vectors: Tensor = self.network(rows)
        return vectors

    # Optimizer -------------------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW, decay on matrices only, a cosine to zero over all epochs."""
        spec, total = self.spec, self.steps * self.spec.epochs
        matrices = [p for p in self.network.parameters() if p.ndim > 1]
        rest = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": spec.weight_decay}, {"params": rest, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=spec.learning_rate)
        cosine = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(step, total) / total))
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}
