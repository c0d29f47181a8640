"""From a spec to a fitted quantizer, and from a folder back to one: the one place that knows every kind.

Rows that are not in training are never read here. Modules of kinds that need more than NumPy are imported where they
are used.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from refinepoi.artifacts.files import write_json
from refinepoi.core.errors import UserError
from refinepoi.core.spec import grid_shape
from refinepoi.quantizer.category import CategoryQuantizer
from refinepoi.quantizer.device import Device
from refinepoi.quantizer.geographic import GeographicQuantizer
from refinepoi.quantizer.hierarchy import at_level, fit_levels
from refinepoi.quantizer.kmeans import fit_kmeans
from refinepoi.quantizer.nested import NestedQuantizer
from refinepoi.quantizer.opq import fit_opq
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.quantizer import Grids, Quantizer
from refinepoi.quantizer.random_codes import RandomQuantizer
from refinepoi.quantizer.residual import ResidualQuantizer
from refinepoi.quantizer.rqvae import RqVaeQuantizer
from refinepoi.quantizer.som import BatchSOM
from refinepoi.quantizer.spec import (
    CategorySpec,
    FitSpec,
    GeographicSpec,
    KMeansSpec,
    MiniSomSpec,
    NestedSpec,
    OpqSpec,
    RandomSpec,
    RqVaeSpec,
    SomFields,
    SomSpec,
)
from refinepoi.quantizer.winners import F32

OnEpoch = Callable[[Mapping[str, float]], None]
"""Figures of one epoch by name, such as level_1/quantization_error."""
SPEC = "spec.json"
STORED: TypeAdapter[FitSpec] = TypeAdapter(Annotated[FitSpec, Field(discriminator="kind")])


def fit(spec: FitSpec, places: Places, on_epoch: OnEpoch | None = None, device: Device = "auto") -> Quantizer:
    """Learn from the trained rows of `places`. `on_epoch` is called `epochs_of(spec)` times. device: of SOMs."""
    report = on_epoch or (lambda figures: None)
    grids = tuple(grid_shape(text) for text in spec.levels)
    rows = places.known.vectors
    match spec:
        case SomSpec():
            books = fit_levels(rows, grids, partial(som_level, spec, grids, report, device))
            return ResidualQuantizer(books, spec.topology)
        case NestedSpec():
            shared = partial(som_level, spec, grids, report, device)
            own = partial(som_below, spec, grids, device)
            return NestedQuantizer.fit(places, grids, shared, own, spec.rows_per_node, spec.topology)
        case MiniSomSpec():
            return ResidualQuantizer(fit_levels(rows, grids, partial(minisom_level, spec, grids, report)))
        case KMeansSpec():
            return ResidualQuantizer(fit_levels(rows, grids, partial(kmeans_level, spec, grids)))
        case OpqSpec():
            books = fit_opq(rows, grids, rotations=spec.rotations, iterations=spec.iterations, seed=spec.seed)
            return ResidualQuantizer(books)
        case RqVaeSpec():
            from refinepoi.quantizer.rqvae_module import fit_rqvae

            return fit_rqvae(spec, rows, grids, report)
        case RandomSpec():
            return RandomQuantizer.fit(places, grids, spec.seed)
        case GeographicSpec():
            return GeographicQuantizer.fit(places, grids, spec.cells)
        case CategorySpec():
            return CategoryQuantizer.fit(places, grids, epochs=spec.epochs, iterations=spec.iterations, seed=spec.seed)


def epochs_of(spec: FitSpec) -> int:
    """How often `on_epoch` is called, for progress."""
    match spec:
        case SomSpec() | NestedSpec():
            return spec.epochs * len(spec.levels)
        case MiniSomSpec():
            return len(spec.levels) * (spec.epochs if spec.training == "batch_offline" else 1)
        case RqVaeSpec():
            return spec.epochs
        case _:
            return 0


def som_of(spec: SomFields, grids: Grids, device: Device, level: int) -> BatchSOM:
    """The map of one level, not yet trained."""
    height, width = grids[level]
    return BatchSOM(
        height, width, epochs=spec.epochs,
        sigma_start=at_level(spec.sigma_start, level, len(grids)) * max(height, width),
        sigma_end=at_level(spec.sigma_end, level, len(grids)), decay=spec.decay, init=spec.init, topology=spec.topology,
        schedule=spec.schedule, search=spec.search, batch_rows=spec.batch_rows, device=device, seed=spec.seed + level,
    )  # fmt: skip


def som_level(spec: SomFields, grids: Grids, on_epoch: OnEpoch, device: Device, residual: F32, level: int) -> F32:
    from refinepoi.quantizer.module import fit_som

    return fit_som(som_of(spec, grids, device, level), residual, level_report(on_epoch, level)).weights_


def som_below(spec: SomFields, grids: Grids, device: Device, rows: F32, level: int) -> F32:
    """The map of one cell: hundreds of small ones, trained in this process."""
    return som_of(spec, grids, device, level).fit(rows).weights_


def minisom_level(spec: MiniSomSpec, grids: Grids, on_epoch: OnEpoch, residual: F32, level: int) -> F32:
    from refinepoi.quantizer.minisom_backend import fit_minisom

    return fit_minisom(
        residual, grids[level], training=spec.training, epochs=spec.epochs, init=spec.init,
        sigma_start=at_level(spec.sigma_start, level, len(grids)) * max(grids[level]),
        sigma_end=at_level(spec.sigma_end, level, len(grids)),
        learning_rate=spec.learning_rate, seed=spec.seed, on_epoch=level_report(on_epoch, level),
    )  # fmt: skip


def kmeans_level(spec: KMeansSpec, grids: Grids, residual: F32, level: int) -> F32:
    height, width = grids[level]
    return fit_kmeans(residual, height * width, iterations=spec.iterations, seed=spec.seed, level=level)


def level_report(on_epoch: OnEpoch, level: int) -> Callable[[int, float, float], None]:
    """(epoch, quantization error, sigma) of one level, under the level's name."""
    name = f"level_{level + 1}"
    return lambda epoch, error, sigma: on_epoch({f"{name}/quantization_error": error, f"{name}/sigma": sigma})


def save(quantizer: Quantizer, spec: FitSpec, folder: Path) -> None:
    """Write `quantizer` into a folder of its own, with the spec it was fitted by."""
    folder.mkdir(exist_ok=True)  # a stage that crashed is offered its folder again
    write_json(folder / SPEC, spec)
    quantizer.save(folder)


def load(folder: Path) -> tuple[FitSpec, Quantizer]:
    """What `save` wrote. Raises UserError where it was written by settings that are no longer known."""
    try:
        spec: FitSpec = STORED.validate_json((folder / SPEC).read_bytes())
    except (OSError, ValidationError) as error:
        raise UserError(f"{folder}: no quantizer that this version can read ({error}); fit it anew") from None
    return spec, kind_of(spec).load(folder)


def kind_of(spec: FitSpec) -> type[Quantizer]:
    """The class of the quantizer that `fit` makes of a spec."""
    match spec:
        case NestedSpec():
            return NestedQuantizer
        case RqVaeSpec():
            return RqVaeQuantizer
        case RandomSpec():
            return RandomQuantizer
        case GeographicSpec():
            return GeographicQuantizer
        case CategorySpec():
            return CategoryQuantizer
        case _:
            return ResidualQuantizer
