"""Hydra's basic sweeper over the points that were checked and planned: none twice, numbered as in the plan.

The points stand in the sweep folder's `launch.json`, written before Hydra starts.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override

from refinepoi.launching.record import read_record


class DistinctSweeper(BasicSweeper):
    """Takes its points from the folder of the sweep."""

    def split_arguments(  # type: ignore[override]
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Batches of jobs, each a list of overrides: those that all jobs share, then the job's own."""
        assert self.config is not None
        record = read_record(Path(self.config.hydra.sweep.dir))
        if record is None:  # started past our entry point
            return BasicSweeper.split_arguments(overrides, max_batch_size)
        shared = [o.input_line or "" for o in overrides if not o.is_sweep_override()]
        swept = {word.split("=")[0] for point in record.points for word in point}
        shared = [line for line in shared if line.split("=")[0] not in swept]
        jobs = [[*shared, *point] for point in record.points]
        size = max_batch_size or len(jobs)
        return [jobs[start : start + size] for start in range(0, len(jobs), size)]


@dataclass
class DistinctSweeperConf:
    _target_: str = f"{__name__}.{DistinctSweeper.__name__}"
    max_batch_size: int | None = None
    params: dict[str, Any] | None = field(default=None)


ConfigStore.instance().store(group="hydra/sweeper", name="distinct", node=DistinctSweeperConf, provider="refinepoi")
