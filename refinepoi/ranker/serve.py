"""A fitted ranker as it is kept beside ranked evidence, for queries that come later: JSON and LightGBM's text."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.files import read_json, write_json
from refinepoi.ranker.logit import Logit
from refinepoi.ranker.order import favour, reorder
from refinepoi.ranker.trees import Trees

FILE, TEXT = "ranker.json", "trees.txt"


@dataclass(frozen=True)
class FittedRanker:
    """The model of all training queries, and how its scores become evidence."""

    model: Trees | Logit
    temperature: float
    kept: int
    discovery_prior: float

    def order(self, evidence: Evidence) -> Evidence:
        """As `rank` orders validation and test queries."""
        scores = self.model.scores(evidence, np.arange(len(evidence.candidates)))
        scores = favour(evidence, scores, self.temperature, self.discovery_prior)
        return reorder(evidence, scores, self.temperature, self.kept, {})

    def save(self, folder: Path) -> None:
        facts: dict[str, Any] = {"temperature": self.temperature, "kept": self.kept}
        facts["discovery_prior"] = self.discovery_prior
        if isinstance(self.model, Trees):
            (folder / TEXT).write_text(self.model.text, encoding="utf-8")
            facts |= {"parts": self.model.parts}
        else:
            facts |= {"counters": self.model.counters, "weights": self.model.weights.tolist()}
        write_json(folder / FILE, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        facts = read_json(folder / FILE)
        if "counters" in facts:
            model: Trees | Logit = Logit(tuple(facts["counters"]), np.array(facts["weights"]), 0, 0.0)
        else:
            model = Trees((folder / TEXT).read_text(encoding="utf-8"), facts["parts"], threads=1)
        return cls(model, facts["temperature"], facts["kept"], facts["discovery_prior"])
