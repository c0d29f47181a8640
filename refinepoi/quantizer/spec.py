"""Specs of the quantizers. Common to all: the grids of the levels, the collision policy, the seed."""

from typing import Annotated, Literal

from pydantic import Field

from refinepoi.core.spec import Count, Grid, Positive, Spec

Levels = Annotated[tuple[Grid, ...], Field(min_length=1, max_length=8, description="a grid per level: [16x16, 16x16]")]
Collisions = Literal["nearest_free", "suffix", "none"]
Seed = Annotated[int, Field(ge=0)]
Sigmas = Annotated[
    tuple[Positive, ...],
    Field(min_length=1, description="final sigma in cells, one per level; the last one serves all deeper levels"),
]
Epochs = Annotated[int, Field(ge=1, le=100_000)]


class SomSpec(Spec):
    """Hierarchical batch SOM (`som.py`, `hierarchy.py`)."""

    kind: Literal["som"]
    levels: Levels
    collisions: Collisions
    seed: Seed
    epochs: Epochs
    init: Literal["pca", "sample", "random"]
    topology: Literal["rectangular", "toroidal", "hexagonal"]
    sigma_start: Annotated[Positive, Field(description="first sigma as a share of the grid's longer side")]
    sigma_end: Sigmas
    decay: Literal["exponential", "linear", "cosine"]


class MiniSomSpec(Spec):
    """The minisom package itself, level by level (`minisom_backend.py`)."""

    kind: Literal["minisom"]
    levels: Levels
    collisions: Collisions
    seed: Seed
    training: Annotated[
        Literal["batch_offline", "online"],
        Field(description="batch_offline: train_batch_offline on our sigmas; online: train with MiniSom's own decays"),
    ]
    epochs: Epochs
    init: Literal["pca", "random"]
    sigma_start: Positive
    sigma_end: Sigmas
    learning_rate: Annotated[Positive, Field(description="of online training; batch training replaces the weights")]


class KMeansSpec(Spec):
    """Residual k-means (`kmeans.py`): the same codes without neighbourhood."""

    kind: Literal["kmeans"]
    levels: Levels
    collisions: Collisions
    seed: Seed
    iterations: Count


class RandomSpec(Spec):
    """Codes drawn uniformly: the floor every quality figure is read against."""

    kind: Literal["random"]
    levels: Levels
    collisions: Collisions
    seed: Seed


QuantizerSpec = Annotated[SomSpec | MiniSomSpec | KMeansSpec | RandomSpec, Field(discriminator="kind")]
