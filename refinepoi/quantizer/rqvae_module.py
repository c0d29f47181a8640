"""Training of the RQ-VAE: straight-through, codebooks as moving averages, dead nodes started anew, k-means at first.

    loss = mean |x - x'|^2 + commitment * sum_l mean |r_l - w_b_l|^2

The sum of codes is passed on with the gradient of the latent itself. Codebooks have no gradient: each node is the
moving average of the residuals that chose it (van den Oord et al., 2017, appendix). A node whose average use falls
below `dead_below` of even use takes a residual drawn from the batch (SoundStream). Loaders yield step numbers; rows and
draws of a step come from (seed, epoch, step).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from torch import Tensor
from torch.nn import functional

from refinepoi.core.seeding import generator
from refinepoi.quantizer.kmeans import fit_kmeans
from refinepoi.quantizer.module import calm
from refinepoi.quantizer.places import F32
from refinepoi.quantizer.quantizer import Grids
from refinepoi.quantizer.rqvae import Autoencoder, RqVaeQuantizer
from refinepoi.quantizer.spec import RqVaeSpec

START_ITERATIONS = 10
START_ROWS = 20_000
"""Rows the first codebooks are made of."""


class RqVaeModule(pl.LightningModule):
    """rows: float32 [N, D], those to learn from."""

    def __init__(
        self, spec: RqVaeSpec, rows: Tensor, grids: Grids, on_epoch: Callable[[Mapping[str, float]], None] | None = None
    ) -> None:
        super().__init__()
        self.spec, self.rows, self.on_epoch = spec, rows, on_epoch
        self.network = Autoencoder((rows.shape[1], *spec.hidden, spec.latent), spec.seed)
        self.network.measure(rows)
        self.batch = min(spec.batch_size, len(rows))
        self.books = torch.nn.ModuleList(
            MovingBook(weights, share * self.batch, spec)
            for weights, share in first_books(self.network, rows, grids, spec.seed)
        )
        self._order: tuple[int, Tensor] | None = None
        self._seen: dict[str, list[float]] = {}

    def train_dataloader(self) -> Sequence[int]:
        return range(len(self.rows) // self.batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.network.parameters(), lr=self.spec.learning_rate)

    def training_step(self, step: int, _: int) -> Tensor:
        rows = self._rows(step)
        latent = self.network.encode(rows)
        draws = generator(self.spec.seed, "restarts", f"{self.current_epoch}-{step}")
        residual, commitment, restarted = latent, latent.new_zeros(()), 0
        for book in self.books:
            chosen, dead = book(residual.detach(), draws)
            commitment = commitment + functional.mse_loss(residual, chosen)
            residual, restarted = residual - chosen, restarted + dead
        coded = latent - residual  # the sum of the codes, ...
        passed = latent + (coded - latent).detach()  # ... with the gradient of the latent
        loss = functional.mse_loss(self.network.decode(passed), rows) / self.network.scale**2
        seen = {"unexplained_variance": loss.item(), "commitment": commitment.item(), "restarted": float(restarted)}
        for name, value in seen.items():
            self._seen.setdefault(name, []).append(value)
        return loss + self.spec.commitment * commitment

    def on_train_epoch_end(self) -> None:
        if self.on_epoch is not None:
            self.on_epoch({name: float(np.mean(values)) for name, values in self._seen.items()})
        self._seen.clear()

    def _rows(self, step: int) -> Tensor:
        """The rows [batch, D] of this step of the current epoch."""
        if self._order is None or self._order[0] != self.current_epoch:
            order = generator(self.spec.seed, "order", str(self.current_epoch)).permutation(len(self.rows))
            self._order = self.current_epoch, torch.from_numpy(order)
        return self.rows[self._order[1][step * self.batch : (step + 1) * self.batch]]


class MovingBook(torch.nn.Module):
    """One codebook [nodes, latent]: moving averages of the residuals (sums) and of the use (counts) of each node."""

    weights: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, weights: Tensor, counts: Tensor, spec: RqVaeSpec) -> None:
        super().__init__()
        self.decay, self.dead_below = spec.decay, spec.dead_below
        self.register_buffer("weights", weights)
        self.register_buffer("counts", counts)
        self.register_buffer("sums", weights * counts[:, None])

    @torch.no_grad()
    def forward(self, residual: Tensor, draws: np.random.Generator) -> tuple[Tensor, int]:
        """The nearest nodes' weights [n, latent] as they were, and how many dead nodes started anew afterwards."""
        codes = torch.cdist(residual, self.weights).argmin(1)
        chosen = self.weights[codes]
        hits = functional.one_hot(codes, len(self.weights)).to(residual.dtype)
        self.counts.lerp_(hits.sum(0), 1 - self.decay)
        self.sums.lerp_(hits.T @ residual, 1 - self.decay)
        even = len(residual) / len(self.weights)
        dead = torch.nonzero(self.counts < self.dead_below * even).ravel()
        taken = residual[torch.from_numpy(draws.integers(0, len(residual), len(dead)))]
        self.counts[dead], self.sums[dead] = even, taken * even
        self.weights.copy_(self.sums / self.counts.clamp_min(1e-12)[:, None])
        return chosen, len(dead)


@torch.no_grad()
def first_books(network: Autoencoder, rows: Tensor, grids: Grids, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Residual k-means of the untrained encoder's latents: weights [nodes, latent] and share of use [nodes] a level."""
    picked = np.sort(generator(seed, "first books").permutation(len(rows))[:START_ROWS])
    residual, books = network.encode(rows[torch.from_numpy(picked)]), []
    for level, (height, width) in enumerate(grids):
        nodes = height * width
        centres = fit_kmeans(residual.numpy(), nodes, iterations=START_ITERATIONS, seed=seed, level=level)
        weights = torch.from_numpy(centres)
        codes = torch.cdist(residual, weights).argmin(1)
        books.append((weights, torch.bincount(codes, minlength=nodes) / len(codes)))
        residual = residual - weights[codes]
    return books


def fit_rqvae(
    spec: RqVaeSpec, rows: F32, grids: Grids, on_epoch: Callable[[Mapping[str, float]], None] | None = None
) -> RqVaeQuantizer:
    """rows: float32 [N, D]. `on_epoch` gets the means of an epoch by name. On CPU: the same bytes every time."""
    module = RqVaeModule(spec, torch.from_numpy(np.ascontiguousarray(rows, np.float32)), grids, on_epoch)
    with calm():
        pl.Trainer(
            max_epochs=spec.epochs, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
            plugins=[LightningEnvironment()],  # one process, also where a cluster's launcher is found
        ).fit(module)  # fmt: skip
    weights = [module.get_buffer(f"books.{level}.weights").numpy().copy() for level in range(len(grids))]
    return RqVaeQuantizer.of(module.network, grids, weights)
