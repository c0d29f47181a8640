"""Evidence: for each query its candidates and what counting knows of them, causally. Made by `refinepoi/evidence`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.files import read_array, read_json, require, write_array, write_json


@dataclass(frozen=True, eq=False)
class Evidence:
    """
    candidates: int32 [Q, C], POI indices in the order of a cheap score, -1 where a query has fewer.
    counters:   float32 [Q, C, F], raw values (not logs), 0 where absent; finite and >= 0.
    names:      F names of the counters.
    context:    float32 [Q, X] facts of the query itself (hour, weekday, gap ...), NaN where hidden.
    context_names: X names.
    facts: history, target_time, settings.
    Query numbers are those of Trajectories.queries.
    """

    candidates: npt.NDArray[np.int32]
    counters: npt.NDArray[np.float32]
    names: tuple[str, ...]
    context: npt.NDArray[np.float32]
    context_names: tuple[str, ...]
    facts: dict[str, Any]

    def __post_init__(self) -> None:
        q, c, f = self.counters.shape
        require(self.candidates.shape == (q, c), f"candidates {self.candidates.shape}, counters {self.counters.shape}")
        require(len(self.names) == f, f"{len(self.names)} names for {f} counters")
        require(self.context.shape == (q, len(self.context_names)), f"context {self.context.shape}")

    def counter(self, name: str) -> npt.NDArray[np.float32]:
        """[Q, C] values of one counter."""
        return self.counters[:, :, self.names.index(name)]

    def position(self, targets: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
        """Place of each query's target among its candidates, -1 where absent. targets: [Q]. Returns [Q]."""
        found = self.candidates == np.asarray(targets)[:, None]
        return np.where(found.any(1), found.argmax(1), -1)

    def save(self, folder: Path) -> None:
        write_array(folder / "candidates.npy", self.candidates)
        write_array(folder / "counters.npy", self.counters)
        write_array(folder / "context.npy", self.context)
        facts = {"names": self.names, "context_names": self.context_names, "facts": self.facts}
        write_json(folder / "facts.json", facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        facts = read_json(folder / "facts.json")
        return cls(
            candidates=read_array(folder / "candidates.npy"),
            counters=read_array(folder / "counters.npy", mapped=True),
            names=tuple(facts["names"]),
            context=read_array(folder / "context.npy"),
            context_names=tuple(facts["context_names"]),
            facts=facts["facts"],
        )
