"""An option of `conf/` as Hydra reads it, on top of what it names as its defaults: for tests that vary single specs."""

from pathlib import Path
from typing import Any

import yaml

CONF = Path(__file__).parents[2] / "conf"


def option(group: str, name: str) -> dict[str, Any]:
    own: dict[str, Any] = yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))
    for base in own.pop("defaults", []):
        if isinstance(base, dict):
            own = {part: option(group, f"{part}/{chosen}") for part, chosen in base.items()} | own
        elif base != "_self_":
            own = option(group, str(Path(name).with_name(base))) | own
    return own
