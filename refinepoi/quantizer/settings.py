"""What a BatchSOM refuses to be asked for, before it looks at any data."""

from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from refinepoi.core.errors import UserError
from refinepoi.quantizer.device import Device
from refinepoi.quantizer.initial import Init
from refinepoi.quantizer.lattice import Topology
from refinepoi.quantizer.schedule import Decay, Schedule
from refinepoi.quantizer.spec import LEAST_SIGMA

if TYPE_CHECKING:
    from refinepoi.quantizer.som import BatchSOM

Search = Literal["exact", "local"]
CHOICES: dict[str, Any] = {
    "decay": Decay, "init": Init, "topology": Topology, "schedule": Schedule, "search": Search, "device": Device,
}  # fmt: skip


def check_settings(som: "BatchSOM") -> None:
    """Raises UserError naming the setting, its value and what it may be."""
    for name, least in (("height", 1), ("width", 1), ("epochs", 1), ("seed", 0)):
        if not _whole(getattr(som, name), least):
            raise UserError(f"BatchSOM: {name}={getattr(som, name)!r} must be a whole number of at least {least}")
    if not _sigma(som.sigma_end, LEAST_SIGMA):
        raise UserError(f"BatchSOM: sigma_end={som.sigma_end!r} must be a number of cells, {LEAST_SIGMA} or more")
    if som.sigma_start is not None and not _sigma(som.sigma_start, 0.0):
        raise UserError(f"BatchSOM: sigma_start={som.sigma_start!r} must be a number of cells above 0, or None")
    for name, choices in CHOICES.items():
        if getattr(som, name) not in get_args(choices):
            raise UserError(f"BatchSOM: {name}={getattr(som, name)!r} must be one of {', '.join(get_args(choices))}")
    if som.batch_rows is not None and not _whole(som.batch_rows, 1):
        raise UserError(f"BatchSOM: batch_rows={som.batch_rows!r} must be a whole number of at least 1, or None")
    if som.batch_rows is not None and (som.schedule != "plain" or som.search != "exact"):
        raise UserError(
            f"BatchSOM: batch_rows={som.batch_rows!r} goes with schedule='plain' and search='exact' only; "
            "set it to None, or the two to these"
        )


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= least


def _sigma(value: object, least: float) -> bool:
    return isinstance(value, Real) and 0 < float(value) < float("inf") and float(value) >= least
