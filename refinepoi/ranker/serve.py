"""A fitted ranker as it is kept beside ranked evidence, for queries that come later.

JSON, LightGBM's text, and safetensors where kernels were learned.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.files import read_json, write_json
from refinepoi.artifacts.history import History
from refinepoi.ranker.kernels import Kernels
from refinepoi.ranker.logit import Logit
from refinepoi.ranker.order import favour, reorder
from refinepoi.ranker.trees import Trees

FILE, TEXT = "ranker.json", "trees.txt"


@dataclass(frozen=True)
class FittedRanker:
    """The model of the last round (`crossfit.plan`), and how its scores become evidence."""

    model: Trees | Logit
    temperature: float
    kept: int
    discovery_prior: float
    kernels: Kernels | None

    def order(self, evidence: Evidence, history: History) -> Evidence:
        """As `rank` orders test queries. history: what the queries see."""
        if self.kernels is not None:
            evidence = self.kernels.join(history, evidence)
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
        if self.kernels is not None:
            facts |= {"kernels": self.kernels.save(folder)}
        write_json(folder / FILE, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        facts = read_json(folder / FILE)
        if "counters" in facts:
            model: Trees | Logit = Logit(tuple(facts["counters"]), np.array(facts["weights"]), 0, 0.0)
        else:
            model = Trees((folder / TEXT).read_text(encoding="utf-8"), facts["parts"], threads=1)
        kernels = Kernels.load(folder, facts["kernels"]) if "kernels" in facts else None
        return cls(model, facts["temperature"], facts["kept"], facts["discovery_prior"], kernels)
