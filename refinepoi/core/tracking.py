"""Tracker: where a run's curves, tables and pictures go. `off` is the same object doing nothing.

Every stage logs under its own name and step axis through a `StageLog`, which also keeps the curve so that it can be
stored with the artifact (`curve.parquet`) and replayed when the artifact is taken from the store.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Row = dict[str, float]
log = logging.getLogger("refinepoi")


class Tracker(Protocol):
    """One run of one Hydra job."""

    def metrics(self, stage: str, values: Mapping[str, float], step: int) -> None: ...
    def image(self, name: str, path: Path) -> None: ...
    def page(self, name: str, path: Path) -> None: ...
    def table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None: ...
    def artifact(self, manifest: Path, made: bool) -> None: ...
    def summary(self, values: Mapping[str, Any]) -> None: ...
    def alert(self, title: str, text: str) -> None: ...
    def close(self, exit_code: int) -> None: ...


class NoTracker:
    """Tracking off: opens no socket, writes no file."""

    def metrics(self, stage: str, values: Mapping[str, float], step: int) -> None: ...
    def image(self, name: str, path: Path) -> None: ...
    def page(self, name: str, path: Path) -> None: ...
    def table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None: ...
    def artifact(self, manifest: Path, made: bool) -> None: ...
    def summary(self, values: Mapping[str, Any]) -> None: ...
    def alert(self, title: str, text: str) -> None: ...
    def close(self, exit_code: int) -> None: ...


@dataclass
class StageLog:
    """What one stage logs. Values that are not finite are left out."""

    stage: str
    tracker: Tracker = field(default_factory=NoTracker)
    curve: list[Row] = field(default_factory=list)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        finite = {k: float(v) for k, v in values.items() if math.isfinite(float(v))}
        if finite:
            self.curve.append({"step": float(step), **finite})
            self.tracker.metrics(self.stage, finite, step)

    def image(self, name: str, path: Path) -> None:
        self.tracker.image(f"{self.stage}/{name}", path)

    def page(self, name: str, path: Path) -> None:
        """A self-contained HTML file."""
        self.tracker.page(f"{self.stage}/{name}", path)

    def table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        self.tracker.table(f"{self.stage}/{name}", columns, rows)

    def alert(self, title: str, text: str) -> None:
        """Something a person should look at: a warning in the log, and an alert of the tracker."""
        log.warning("%s: %s: %s", self.stage, title, text)
        self.tracker.alert(f"{self.stage}: {title}", text)

    def replay(self, rows: list[Row]) -> None:
        """Send a stored curve to the tracker, so that a dashboard is complete when the stage was a hit."""
        for row in rows:
            values = {k: v for k, v in row.items() if k != "step" and math.isfinite(v)}
            self.tracker.metrics(self.stage, values, int(row["step"]))
