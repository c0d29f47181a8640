"""What rank 0 tells the parent, as lines of JSON in a file that grows: curves, pictures, tables, progress, log, costs.

The parent replays each line into its own Context, so dashboards, `curve.json` and the progress bar are those of a run
in one process.
"""

import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from refinepoi.core.stage import Context
from refinepoi.core.tracking import NoTracker

log = logging.getLogger("refinepoi")

PAUSE = 0.2
"""Seconds between two reports of one bar."""


class Events:
    """The file's writing end. `None` (every rank but 0) writes nothing."""

    def __init__(self, file: Path | None) -> None:
        self.file = file

    def tell(self, what: str, **values: Any) -> None:
        if self.file:
            with open(self.file, "a", encoding="utf-8") as stream:
                stream.write(json.dumps({"what": what, **values}) + "\n")


class EventTracker(NoTracker):
    """A tracker whose other end is the parent's."""

    def __init__(self, events: Events) -> None:
        self.events = events

    def metrics(self, stage: str, values: Mapping[str, float], step: int) -> None:
        self.events.tell("metrics", values=dict(values), step=step)

    def image(self, name: str, path: Path) -> None:
        self.events.tell("image", name=name.partition("/")[2], path=str(path))

    def page(self, name: str, path: Path) -> None:
        self.events.tell("page", name=name.partition("/")[2], path=str(path))

    def table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        self.events.tell("table", name=name.partition("/")[2], columns=columns, rows=rows)

    def alert(self, title: str, text: str) -> None:
        self.events.tell("alert", title=title, text=text)


class EventLog(logging.Handler):
    """Our own log lines; what libraries say stays in the rank's log file."""

    def __init__(self, events: Events) -> None:
        super().__init__(logging.INFO)
        self.events = events

    def emit(self, record: logging.LogRecord) -> None:
        self.events.tell("log", level=record.levelno, text=record.getMessage())


class EventBar:
    """As much of a tqdm bar as stages use."""

    def __init__(self, events: Events, items: Iterable[Any] | None, total: int | None, unit: str) -> None:
        self.events, self.items, self.unit = events, items, unit
        self.total = len(items) if total is None and hasattr(items, "__len__") else total  # type: ignore[arg-type]
        self.n, self.postfix, self.told = 0, "", 0.0

    def update(self, n: float = 1) -> None:
        self.n += int(n)
        if time.monotonic() - self.told >= PAUSE:
            self._tell()

    def set_postfix(self, values: Mapping[str, Any] | None = None, refresh: bool = True, **others: Any) -> None:
        self.postfix = ", ".join(f"{name}={value}" for name, value in {**(values or {}), **others}.items())

    def close(self) -> None:
        self._tell(closed=True)

    def _tell(self, closed: bool = False) -> None:
        self.told = time.monotonic()
        about = {"n": self.n, "total": self.total, "unit": self.unit, "postfix": self.postfix}
        self.events.tell("progress", bar=id(self), closed=closed, **about)

    def __iter__(self) -> Iterator[Any]:
        for item in self.items or ():
            yield item
            self.update()
        self.close()

    def __enter__(self) -> "EventBar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Replay:
    """The file's reading end: `__call__` hands on what has come since the last call."""

    def __init__(self, file: Path, context: Context) -> None:
        self.file, self.context = file, context
        self.read, self.bars = 0, dict[int, Any]()

    def __call__(self) -> None:
        if not self.file.exists():
            return
        with open(self.file, "rb") as stream:
            stream.seek(self.read)
            whole, end, _ = stream.read().rpartition(b"\n")  # the last line may not be finished
        self.read += len(whole) + len(end)
        for line in whole.splitlines():
            self._replay(**json.loads(line))

    def close(self) -> None:
        for bar in self.bars.values():
            bar.close()

    def _replay(self, what: str, **values: Any) -> None:
        match what:
            case "metrics":
                self.context.log.metrics(values["values"], values["step"])
            case "image" | "page":
                getattr(self.context.log, what)(values["name"], Path(values["path"]))
            case "table":
                self.context.log.table(**values)
            case "alert":
                self.context.log.tracker.alert(**values)  # its line in the log comes as one
            case "progress":
                self._progress(**values)
            case "log":
                log.log(values["level"], "%s", values["text"])
            case "cost":
                self.context.cost.update(values["values"])

    def _progress(self, bar: int, closed: bool, n: int, total: int | None, unit: str, postfix: str) -> None:
        if bar not in self.bars:
            self.bars[bar] = self.context.progress(total=total, unit=unit)
        shown = self.bars[bar]
        shown.set_postfix_str(postfix, refresh=False)
        shown.update(n - shown.n)
        if closed:
            self.bars.pop(bar).close()
