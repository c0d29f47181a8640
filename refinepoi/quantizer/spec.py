"""Specs of the quantizers. Common to all: the grids of the levels, the collision policy, the seed."""

import math
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from refinepoi.core.pinned import Pinned
from refinepoi.core.spec import Count, Grid, NonNegative, Positive, Share, Spec, grid_shape

VERSION = 3
"""Of the stage quantize."""
LEAST_SIGMA = 0.01
"""Cells. A neighbour's weight is exp(-5000) then: none at all."""
MOST_IDS = 2**63 - 1
"""Prefixes are numbered by int64."""


def _check_levels(levels: tuple[str, ...]) -> tuple[str, ...]:
    ids = math.prod(math.prod(grid_shape(grid)) for grid in levels)
    if ids > MOST_IDS:
        raise ValueError(
            f"make {ids:.1e} IDs, at most {MOST_IDS:.1e} can be told apart; use fewer levels or smaller grids"
        )
    return levels


Levels = Annotated[
    tuple[Grid, ...],
    Field(min_length=1, max_length=8, description="a grid per level: [16x16, 16x16]"),
    AfterValidator(_check_levels),
]
Collisions = Literal["nearest_free", "suffix", "none"]
Seed = Annotated[int, Field(ge=0)]
StartSigmas = Annotated[
    tuple[Positive, ...], Field(min_length=1, description="first sigma as a share of the grid's longer side, by level")
]
EndSigmas = Annotated[
    tuple[Annotated[float, Field(ge=LEAST_SIGMA)], ...],
    Field(min_length=1, description="final sigma in cells, by level"),
]
"""A value each level, or fewer: then they are spread evenly from the first level to the last (`hierarchy.at_level`)."""
Epochs = Annotated[int, Field(ge=1, le=100_000)]


class QualitySpec(Spec):
    """What the quality report measures, and when codes are too poor to go on with (`gate.py`, `report.py`)."""

    gate: Annotated[Literal["warn", "stop", "off"], Field(description="what collapsed codes do to the run")]
    min_perplexity: Annotated[
        Share, Field(description="a level is collapsed below this share of the cells its places could use evenly")
    ]
    max_collisions: Annotated[Share, Field(description="share of places that may share their ID before the policy")]
    held_out: Annotated[
        float, Field(ge=0, lt=1, description="share of places left out of a second fit, if all are in training")
    ]
    beside: Annotated[
        Literal["all", "fast", "off"],
        Field(description="all: random codes, residual k-means and an RQ-VAE are measured too; fast: no RQ-VAE"),
    ]


class Common(Spec):
    """What every quantizer that is fitted is told."""

    levels: Levels
    collisions: Collisions
    seed: Seed
    quality: QualitySpec


class MapFields(Common):
    """A map a level, whose neighbourhood shrinks."""

    sigma_start: StartSigmas
    sigma_end: EndSigmas

    @model_validator(mode="after")
    def _no_more_sigmas_than_levels(self) -> Self:
        for name in ("sigma_start", "sigma_end"):
            values = getattr(self, name)
            if len(values) > len(self.levels):
                raise ValueError(
                    f"{name}={list(values)} has {len(values)} values for {len(self.levels)} levels; give "
                    f"quantizer.{name} a value each level, or fewer, which are spread over them"
                )
        return self


class SomFields(MapFields):
    """A batch SOM a level (`som.py`)."""

    epochs: Epochs
    init: Literal["pca", "sample", "random"]
    topology: Literal["rectangular", "toroidal", "hexagonal"]
    decay: Literal["exponential", "linear", "cosine"]
    schedule: Annotated[
        Literal["plain", "multi_resolution"],
        Field(description="multi_resolution: coarse grids and few rows first, a third of the time"),
    ]
    search: Annotated[
        Literal["exact", "local"],
        Field(description="local: winners are looked for near the last ones, in maps of 64x64 and more"),
    ]
    batch_rows: Annotated[
        Count | None, Field(description="rows of a mini-batch; null: all rows make one update. plain and exact only")
    ]

    @model_validator(mode="after")
    def _batches_are_plain(self) -> Self:
        if self.batch_rows is not None and (self.schedule, self.search) != ("plain", "exact"):
            raise ValueError(
                f"batch_rows={self.batch_rows} goes with schedule=plain and search=exact only; "
                f"here they are {self.schedule} and {self.search}"
            )
        return self


class SomSpec(SomFields):
    """Hierarchical SOM: each level on the residuals of the one before (`hierarchy.py`)."""

    kind: Literal["som"]


class NestedSpec(SomFields):
    """Hierarchical SOM: each cell that holds enough places has maps of its own below it (`nested.py`)."""

    kind: Literal["nested"]
    rows_per_node: Annotated[
        Positive,
        Field(description="places a cell must hold for each node of the map below it; other cells share one map"),
    ]


class MiniSomSpec(MapFields):
    """The minisom package itself, level by level (`minisom_backend.py`)."""

    kind: Literal["minisom"]
    training: Annotated[
        Literal["batch_offline", "online"],
        Field(description="batch_offline: train_batch_offline on our sigmas; online: train with MiniSom's own decays"),
    ]
    epochs: Epochs
    init: Literal["pca", "random"]
    learning_rate: Annotated[Positive, Field(description="of online training; batch training replaces the weights")]


class KMeansSpec(Common):
    """Residual k-means (`kmeans.py`): the same codes without neighbourhood."""

    kind: Literal["kmeans"]
    iterations: Count


class RqVaeSpec(Common):
    """Residual codebooks in the latent space of a small autoencoder, trained together (`rqvae.py`)."""

    kind: Literal["rqvae"]
    hidden: Annotated[tuple[Count, ...], Field(description="widths of the encoder's layers; the decoder mirrors them")]
    latent: Annotated[Count, Field(description="width of the space the codebooks live in")]
    epochs: Epochs
    batch_size: Count
    learning_rate: Positive
    commitment: Annotated[NonNegative, Field(description="weight of |latent - its code|^2, which moves the encoder")]
    decay: Annotated[float, Field(gt=0, lt=1, description="of the moving averages that are the codebooks")]
    dead_below: Annotated[
        NonNegative,
        Field(description="a node used less than this share of even use is put on a latent drawn from the batch"),
    ]


class OpqSpec(Common):
    """Optimised product quantization: a level for each part of a learned rotation (`opq.py`)."""

    kind: Literal["opq"]
    rotations: Annotated[int, Field(ge=0, description="alternations of codebooks and rotation; 0: the PCA start")]
    iterations: Count


class GeographicSpec(Common):
    """Cells of the ground, cells within cells (`geographic.py`)."""

    kind: Literal["geographic"]
    cells: Annotated[
        Literal["quantiles", "equal"],
        Field(description="rows and columns with equally many places, or of equal degrees"),
    ]


class CategorySpec(Common):
    """A tree: group of categories, category, then the place within it (`category.py`)."""

    kind: Literal["category"]
    epochs: Annotated[Epochs, Field(description="of the map that lays out categories")]
    iterations: Annotated[Count, Field(description="of k-means within categories")]


class RandomSpec(Common):
    """Codes drawn uniformly: the floor every quality figure is read against."""

    kind: Literal["random"]


class FittedSpec(Pinned):
    """IDs for new POIs from a stored quantizer; those given stay (`incremental.py`)."""

    key: ClassVar[str] = "quantizer.codebook"
    stage: ClassVar[str] = "quantize"
    version: ClassVar[int] = VERSION

    kind: Literal["fitted"]
    codebook: Annotated[str, Field(min_length=1, description="folder of a stored artifact of the stage quantize")]
    align: Annotated[
        Literal["off", "rotate"],
        Field(description="rotate: turn the embeddings rigidly until known POIs lie closest to what their IDs say"),
    ]
    new_drift: Annotated[Positive, Field(description="growth of the new POIs' error, in spreads, that is too much")]
    old_drift: Annotated[Positive, Field(description="the same of POIs that have IDs: has the encoder changed?")]
    on_drift: Literal["warn", "stop"]
    quality: QualitySpec


FitSpec = (
    SomSpec | NestedSpec | MiniSomSpec | KMeansSpec | RqVaeSpec | OpqSpec | RandomSpec | GeographicSpec | CategorySpec
)
"""What is fitted."""
QuantizerSpec = Annotated[FitSpec | FittedSpec, Field(discriminator="kind")]
