"""A stage's call as a JSON file: which function, with which specs and artifacts, for which folder and runtime.

Classes and the stage are named `module:name` and looked up again in the child. The file is written by the parent into
its own work folder and read by its own children; it is no format to exchange.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from refinepoi.core.runtime import Runtime
from refinepoi.core.spec import Spec
from refinepoi.core.stage import Artifact, Context, Stage

FILE = "job.json"


@dataclass(frozen=True)
class Job:
    stage: Stage[Any]
    arguments: tuple[Spec | Artifact[Any], ...]
    folder: Path
    """Where the stage writes: the same for all ranks."""
    runtime: Runtime


def write_job(place: Path, stage: Stage[Any], context: Context, arguments: Sequence[Spec | Artifact[Any]]) -> None:
    frozen = {
        "stage": _name(stage.run),
        "arguments": [_frozen(argument) for argument in arguments],
        "folder": str(context.folder.absolute()),
        "runtime": context.runtime.model_dump(mode="json"),
    }
    (place / FILE).write_text(json.dumps(frozen, indent=1), encoding="utf-8")


def read_job(place: Path) -> Job:
    frozen = json.loads((place / FILE).read_text(encoding="utf-8"))
    return Job(
        stage=_named(frozen["stage"]),
        arguments=tuple(_thawed(argument) for argument in frozen["arguments"]),
        folder=Path(frozen["folder"]),
        runtime=Runtime.model_validate_json(json.dumps(frozen["runtime"])),
    )


def _frozen(argument: Spec | Artifact[Any]) -> dict[str, Any]:
    if isinstance(argument, Spec):
        return {"spec": _name(type(argument)), "values": argument.model_dump(mode="json")}
    return {
        "artifact": _name(argument.made),
        "stage": argument.stage,
        "key": argument.key,
        "path": str(argument.path.absolute()),
    }


def _thawed(frozen: dict[str, Any]) -> Spec | Artifact[Any]:
    if "spec" in frozen:
        made: Spec = _named(frozen["spec"]).model_validate_json(json.dumps(frozen["values"]))
        return made
    return Artifact(frozen["stage"], frozen["key"], Path(frozen["path"]), _named(frozen["artifact"]))


def _name(thing: Any) -> str:
    return f"{thing.__module__}:{thing.__qualname__}"


def _named(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
