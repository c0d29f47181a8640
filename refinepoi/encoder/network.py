"""The encoder's network: in -> hidden ... -> dimensions, on the unit sphere (docs/method.md section 2).

Each hidden layer is Linear, LayerNorm, GELU. Weights are drawn from a generator of their own, not torch's global one.
Stored as safetensors with its sizes in the header, so that POIs that open later can be encoded.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

FILE = "encoder.safetensors"


class Network(nn.Module):
    """float32 [n, sizes[0]] -> unit vectors [n, sizes[-1]]."""

    def __init__(self, sizes: Sequence[int], seed: int = 0) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        generator = torch.Generator().manual_seed(seed)
        layers: list[nn.Module] = []
        for inside, outside in zip(self.sizes[:-2], self.sizes[1:-1], strict=True):
            layers += [_linear(inside, outside, generator), nn.LayerNorm(outside), nn.GELU()]
        layers.append(_linear(self.sizes[-2], self.sizes[-1], generator))
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        return functional.normalize(self.layers(features), dim=1)


def _linear(inside: int, outside: int, generator: torch.Generator) -> nn.Linear:
    """Kaiming weights and no bias, without a draw from torch's global generator."""
    layer = nn.utils.skip_init(nn.Linear, inside, outside)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def save_network(network: Network, folder: Path) -> None:
    """Write `encoder.safetensors` into `folder`."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / FILE, metadata={"sizes": json.dumps(network.sizes)})


def load_network(folder: Path) -> Network:
    """The network of an Embeddings artifact's folder, ready to encode rows of `Features.matrix`'s columns."""
    with safe_open(folder / FILE, framework="pt") as file:
        network = Network(json.loads(file.metadata()["sizes"]))
        network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return network.eval()


@torch.no_grad()
def encode(network: Network, features: Tensor, chunk: int = 16_384) -> Tensor:
    """Unit vectors of all rows, without gradients, `chunk` rows at a time."""
    return torch.cat([network(part) for part in features.split(chunk)])
