"""One finished, failed or unfinished run, as its folder tells it."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import yaml  # type: ignore[import-untyped]

from refinepoi.core.errors import DataError
from refinepoi.core.spec import digest
from refinepoi.report.find import CONFIG

RANKS = ("method", "query", "split", "user", "target", "rank")
APART = ("list_lengths", "ranks_over", "intervals")
"""Facts of a protocol that differ between methods, or that the report makes anew."""


@dataclass(frozen=True, eq=False)
class Run:
    """
    config: the resolved settings.  outcome: {"status", "overrides", "error", ...}, without `status` where the job was
    never finished.  metrics: content of metrics.json, empty where the run went to another goal or failed.
    stages: name -> {stage, key, hit, seconds, built_in_seconds, pictures}.
    """

    folder: Path
    config: dict[str, Any]
    outcome: dict[str, Any]
    metrics: dict[str, Any]
    stages: dict[str, dict[str, Any]]

    @property
    def status(self) -> str:
        """done, failed, interrupted or unfinished (running, or killed without a word)."""
        return str(self.outcome.get("status", "unfinished"))

    @property
    def error(self) -> str:
        return str(self.outcome.get("error", ""))

    @property
    def log(self) -> Path:
        return self.folder / "run.log"

    @property
    def overrides(self) -> list[str]:
        return [str(override) for override in self.outcome.get("overrides", [])]

    @property
    def lack(self) -> str:
        """Why this run cannot be compared; empty where it can."""
        if self.status != "done":
            return self.error or self.status
        if not self.metrics:
            return f"goal={self.config.get('goal')} makes no metrics"
        if not (self.folder / "ranks.parquet").exists():
            return "no ranks.parquet: run the same command again, its results come from the store"
        return ""

    @cached_property
    def ranks(self) -> pl.DataFrame:
        """method, query, split, user, target, rank; sorted by split and query."""
        file = self.folder / "ranks.parquet"
        table = pl.read_parquet(file)
        if set(RANKS) - set(table.columns):
            raise DataError(f"{file}: columns {table.columns}, expected {list(RANKS)}")
        return table.select(RANKS).sort("method", "split", "query")

    @cached_property
    def protocol(self) -> dict[str, Any]:
        """What must be equal before two runs may stand in one ranking, down to the samples themselves."""
        facts = {name: fact for name, fact in self.metrics["protocol"].items() if name not in APART}
        samples = self.ranks.filter(pl.col("method") == "policy").drop("method", "rank")
        return facts | {
            "test": self.metrics["samples"],
            "validation": self.metrics["validation"]["samples"],
            "sample_digest": digest([column.to_list() for column in samples.get_columns()]),
        }

    @cached_property
    def outcomes(self) -> str:
        """Equal where two runs ranked every target alike."""
        return digest([repr(rank) for rank in self.ranks.filter(pl.col("method") == "policy")["rank"]])

    @cached_property
    def curves(self) -> dict[str, list[dict[str, float]]]:
        """stage -> rows {"step": s, metric: value, ...}."""
        return _read_json(self.folder / "curves.json")

    def pictures(self, stage: str) -> list[Path]:
        """Pictures that a stage of this run left in the run folder."""
        names = self.stages.get(stage, {}).get("pictures", [])
        return [file for file in (self.folder / "pictures" / Path(name).name for name in names) if file.exists()]


def read_run(folder: Path) -> Run:
    """Raises `DataError` naming the file that cannot be read."""
    file = folder / CONFIG
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"{file}: cannot be read ({error})") from None
    if not isinstance(config, dict):
        raise DataError(f"{file}: holds no settings")
    metrics = _read_json(folder / "metrics.json")
    stages = metrics.get("stages") or _read_json(folder / "stages.json")
    return Run(folder, config, _read_json(folder / "outcome.json"), metrics, stages)


def _read_json(file: Path) -> dict[str, Any]:
    """Empty where there is no such file."""
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{file}: cannot be read ({error})") from None
    if not isinstance(content, dict):
        raise DataError(f"{file}: holds no object")
    return content
