"""Where a run's curves, tables and pictures go, and opening it. Nothing here enters an artifact's key."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from refinepoi.core.spec import Spec
from refinepoi.core.tracking import NoTracker, Tracker


class WandbSpec(Spec):
    kind: Literal["wandb"]
    project: str = Field(min_length=1)
    entity: str | None = Field(description="team or user; null: the account's default")
    mode: Literal["auto", "online", "offline"] = Field(
        description="auto: online where a key is set and a server answers within 2 s; online: waits longer for it"
    )
    tags: tuple[str, ...] = Field(description="besides the tags a run gives itself")
    system: bool = Field(description="also record the machine's load and memory")


class OffSpec(Spec):
    kind: Literal["off"]


TrackingSpec = Annotated[WandbSpec | OffSpec, Field(discriminator="kind")]


@contextmanager
def open_tracker(
    spec: TrackingSpec,
    *,
    folder: Path,
    name: str,
    group: str | None = None,
    tags: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
) -> Iterator[Tracker]:
    """
    The tracker of one job, closed with the right exit code whatever happens inside.

    folder: the run folder; wandb's files go to `folder/wandb`.  group: the sweep.  config: nested plain values.
    """
    tracker: Tracker = NoTracker()
    if isinstance(spec, WandbSpec):
        from refinepoi.core import wandb_tracker

        tracker = wandb_tracker.start(spec, folder=folder, name=name, group=group, tags=tags, config=config or {})
    code = 0
    try:
        yield tracker
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        raise
    except KeyboardInterrupt:
        code = 130
        raise
    except BaseException:
        code = 1
        raise
    finally:
        tracker.close(code)
