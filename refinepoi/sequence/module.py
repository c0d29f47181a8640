"""The network as a LightningModule: the softmax over the catalogue, AdamW, validation by MRR."""

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional

from refinepoi.core.seeding import generator
from refinepoi.ranking import expected_rank, reciprocal_rank
from refinepoi.sequence.network import SequenceNetwork
from refinepoi.sequence.spec import GruSpec, SasRecSpec
from refinepoi.sequence.visits import NOTHING, Ints, Pieces

ASKED_TOGETHER = 128


class SequenceModule(pl.LightningModule):
    """Loaders yield step numbers only; which pieces meet in a step is drawn from (seed, epoch)."""

    def __init__(self, spec: SasRecSpec | GruSpec, pois: int, train: Pieces, validation: Pieces, targets: Ints) -> None:
        """targets: [n] POIs of the validation queries."""
        super().__init__()
        self.spec, self.train_pieces, self.validation, self.targets = spec, train, validation, targets
        self.network = SequenceNetwork(spec, pois)
        self._order: tuple[int, Ints] = (-1, np.empty(0, np.int64))

    def train_dataloader(self) -> range:
        return range(-(-len(self.train_pieces) // self.spec.batch_size))

    def val_dataloader(self) -> range:
        return range(1)

    def training_step(self, step: int, _: int) -> Tensor:
        if self._order[0] != self.current_epoch:
            draws = generator(self.spec.seed, "sequence order", str(self.current_epoch))
            self._order = self.current_epoch, draws.permutation(len(self.train_pieces))
        size = self.spec.batch_size
        part = self.train_pieces.take(self._order[1][step * size : (step + 1) * size])
        width = int(part.last.max()) + 1
        poi, times, following = (self._tensor(a[:, :width]) for a in (part.poi, part.times, part.next))
        hidden = self.network(poi, times)[following != NOTHING]
        loss = functional.cross_entropy(self.network.scores(hidden), following[following != NOTHING])
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(hidden))
        return loss

    def validation_step(self, step: int, _: int) -> None:
        rank = expected_rank(self.scores(self.validation), self.targets)
        self.log("validation_mrr", float(reciprocal_rank(rank).mean()), on_step=False, on_epoch=True, batch_size=1)

    @torch.no_grad()
    def scores(self, pieces: Pieces) -> np.ndarray:
        """float32 [n, P] of each piece's next visit; somebody without a visit is a piece, too."""
        found = [np.empty((0, len(self.network.bias)), np.float32)]
        for begin in range(0, len(pieces), ASKED_TOGETHER):
            part = pieces.take(np.arange(begin, min(begin + ASKED_TOGETHER, len(pieces))))
            width = max(int(part.last.max()), 0) + 1
            hidden = self.network(self._tensor(part.poi[:, :width]), self._tensor(part.times[:, :width]))
            at_last = hidden[torch.arange(len(part)), self._tensor(np.maximum(part.last, 0))]
            found.append(self.network.scores(at_last).cpu().numpy())
        return np.concatenate(found)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        spec = self.spec
        return torch.optim.AdamW(self.network.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay)

    def _tensor(self, array: Ints) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
