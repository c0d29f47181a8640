"""RQ-VAE: residual codebooks in the latent space of a small autoencoder (Zeghidour et al., 2021; Rajput et al., 2023).

    z = encoder(x)      b_l = argmin_j |r_l - w_j|^2      r_(l+1) = r_l - w_b_l      x' = decoder(sum_l w_b_l)

Here is what is left of it after training (`rqvae_module.py`): the network and the codebooks. Distances are those of the
latent space; decoding goes back to vectors. Vectors enter centred and divided by their root mean square.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from refinepoi.quantizer.collisions import VectorSpace
from refinepoi.quantizer.hierarchy import I32, Codebooks
from refinepoi.quantizer.lattice import Topology
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.quantizer import F32, Grids
from refinepoi.quantizer.residual import ResidualQuantizer

FILE = "autoencoder.safetensors"
CHUNK = 16_384


class Autoencoder(nn.Module):
    """sizes: width of the vectors, hidden widths, width of the latents; the decoder mirrors the encoder."""

    mean: Tensor
    scale: Tensor

    def __init__(self, sizes: Sequence[int], seed: int = 0) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        draws = torch.Generator().manual_seed(seed)
        self.encoder, self.decoder = _layers(self.sizes, draws), _layers(self.sizes[::-1], draws)
        self.register_buffer("mean", torch.zeros(self.sizes[0]))
        self.register_buffer("scale", torch.ones(()))

    def measure(self, rows: Tensor) -> None:
        """Take centre and size from the rows [N, D] to learn from; from here on `encoder` sees numbers of size one."""
        wide = rows.double()
        self.mean.copy_(wide.mean(0))
        size = (wide - wide.mean(0)).square().mean().sqrt()
        self.scale.copy_(size if size > 0 else torch.ones(()))

    def encode(self, rows: Tensor) -> Tensor:
        """float32 [n, D] -> latents [n, latent]."""
        latents: Tensor = self.encoder((rows - self.mean) / self.scale)
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        rows: Tensor = self.decoder(latents) * self.scale + self.mean
        return rows


def _layers(sizes: Sequence[int], draws: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inside, outside in pairwise(sizes):
        linear = nn.utils.skip_init(nn.Linear, inside, outside)  # no draw from torch's global generator
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu", generator=draws)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@dataclass(frozen=True, eq=False)
class RqVaeQuantizer:
    """latent: the codebooks, weights float32 [nodes, latent]."""

    network: Autoencoder
    latent: ResidualQuantizer
    topology: Topology = "rectangular"
    books: None = None

    @classmethod
    def of(cls, network: Autoencoder, grids: Grids, weights: Sequence[F32]) -> Self:
        return cls(network.eval(), ResidualQuantizer(Codebooks(grids, tuple(weights))))

    @property
    def grids(self) -> Grids:
        return self.latent.grids

    def encode(self, places: Places) -> I32:
        return self.latent.books.encode(self.latents(places.vectors))

    def decode(self, codes: npt.NDArray[np.integer], levels: int | None = None) -> F32:
        return _in_chunks(self.network.decode, self.latent.decode(codes, levels))

    def space(self, places: Places) -> VectorSpace:
        return VectorSpace(self.latents(places.vectors), self.latent.books)

    def latents(self, vectors: F32) -> F32:
        return _in_chunks(self.network.encode, vectors)

    def save(self, folder: Path) -> None:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()}
        save_file(weights, folder / FILE, metadata={"sizes": json.dumps(self.network.sizes)})
        self.latent.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        with safe_open(folder / FILE, framework="pt") as file:
            network = Autoencoder(json.loads(file.metadata()["sizes"]))
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        return cls(network.eval(), ResidualQuantizer.load(folder))


@torch.no_grad()
def _in_chunks(function: Callable[[Tensor], Tensor], rows: F32) -> F32:
    parts = torch.from_numpy(np.ascontiguousarray(rows)).split(CHUNK)
    result: F32 = torch.cat([function(part) for part in parts]).numpy()
    return result
