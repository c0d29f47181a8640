"""Hydra's basic sweeper over the points that were checked and planned: none twice, numbered as in the plan."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override


class DistinctSweeper(BasicSweeper):
    """Takes its points from `points`, set in this process before Hydra starts."""

    points: ClassVar[tuple[tuple[str, ...], ...]] = ()

    @staticmethod
    def split_arguments(overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:
        """Batches of jobs, each a list of overrides: those that all jobs share, then the job's own."""
        if not DistinctSweeper.points:  # started past our entry point
            return BasicSweeper.split_arguments(overrides, max_batch_size)
        swept = {word.split("=")[0] for point in DistinctSweeper.points for word in point}
        shared = [o.input_line or "" for o in overrides if o.get_key_element() not in swept]
        jobs = [[*shared, *point] for point in DistinctSweeper.points]
        size = max_batch_size or len(jobs)
        return [jobs[start : start + size] for start in range(0, len(jobs), size)]


@dataclass
class DistinctSweeperConf:
    _target_: str = f"{__name__}.{DistinctSweeper.__name__}"
    max_batch_size: int | None = None
    params: dict[str, Any] | None = field(default=None)


ConfigStore.instance().store(group="hydra/sweeper", name="distinct", node=DistinctSweeperConf, provider="refinepoi")
