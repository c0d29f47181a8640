"""What a BatchSOM refuses to be asked for, before it looks at any data."""

from typing import TYPE_CHECKING, Any, Literal, get_args

from refinepoi.core.errors import UserError
from refinepoi.quantizer.device import Device
from refinepoi.quantizer.initial import Init
from refinepoi.quantizer.lattice import Topology
from refinepoi.quantizer.schedule import Decay, Schedule

if TYPE_CHECKING:
    from refinepoi.quantizer.som import BatchSOM

Search = Literal["exact", "local"]
CHOICES: dict[str, Any] = {
    "decay": Decay, "init": Init, "topology": Topology, "schedule": Schedule, "search": Search, "device": Device,
}  # fmt: skip


def check_settings(som: "BatchSOM") -> None:
    """Raises UserError naming the setting, its value and what it may be."""
    for name in ("height", "width", "epochs"):
        if getattr(som, name) < 1:
            raise UserError(f"BatchSOM: {name}={getattr(som, name)!r} must be at least 1")
    for name in ("sigma_start", "sigma_end"):
        value = getattr(som, name)
        if value is not None and not 0 < value < float("inf"):
            raise UserError(f"BatchSOM: {name}={value!r} must be above 0")
    for name, choices in CHOICES.items():
        if getattr(som, name) not in get_args(choices):
            raise UserError(f"BatchSOM: {name}={getattr(som, name)!r} must be one of {', '.join(get_args(choices))}")
    if som.batch_rows is not None and som.batch_rows < 1:
        raise UserError(f"BatchSOM: batch_rows={som.batch_rows!r} must be at least 1, or None for all rows")
    if som.batch_rows is not None and (som.schedule != "plain" or som.search != "exact"):
        raise UserError(
            f"BatchSOM: batch_rows={som.batch_rows!r} goes with schedule='plain' and search='exact' only; "
            "set it to None, or the two to these"
        )
