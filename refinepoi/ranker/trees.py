"""Gradient-boosted trees: LightGBM's lambdarank over the candidates of each query (docs/method.md section 5).

Queries whose target is no candidate teach nothing and are left out. Same settings and data give the same bytes,
whatever the number of threads. A model is kept as LightGBM's text, but for the number of threads it was fitted with;
several fits (`bags`) are kept one behind the other, their scores averaged.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence
from refinepoi.core.seeding import generator
from refinepoi.ranker.columns import names, table
from refinepoi.ranker.spec import BoostingSpec

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
CHUNK = 2048  # queries scored at a time; memory only
THREADS = re.compile(r"^\[num_threads: \d+\]\n", re.MULTILINE)  # of a machine, not of a model
BEGINS = re.compile(r"^(?=tree\nversion=)", re.MULTILINE)  # of one fit in the text of several


@dataclass(frozen=True)
class Trees:
    """text: LightGBM's own format, empty where there was nothing to fit on."""

    text: str
    parts: bool
    threads: int

    def scores(self, evidence: Evidence, queries: Ints) -> Floats:
        """[n, C]; meaningless where there is no candidate. Without a model the order of the evidence."""
        width = evidence.candidates.shape[1]
        models = self.models()
        if not models:
            return np.tile(-np.arange(width, dtype=np.float64), (len(queries), 1))
        found = np.full((len(queries), width), -np.inf)
        for begin in range(0, len(queries), CHUNK):
            rows = queries[begin : begin + CHUNK]
            valid = evidence.candidates[rows] >= 0
            read = table(evidence, rows, width, self.parts)[valid]
            each = [model.predict(read, num_threads=self.threads) for model in models]
            found[begin : begin + CHUNK][valid] = np.mean(each, 0)
        return found

    def gains(self) -> dict[str, float]:
        """Share of the gain of all splits by column, greatest first."""
        models = self.models()
        if not models:
            return {}
        gain = np.sum([model.feature_importance("gain") for model in models], 0)
        order = np.argsort(-gain, kind="stable")
        total = max(float(gain.sum()), 1e-12)
        return {models[0].feature_name()[n]: round(float(gain[n]) / total, 6) for n in order if gain[n] > 0}

    def models(self) -> list[Any]:
        """The fits, as LightGBM's Booster."""
        import lightgbm

        return [lightgbm.Booster(model_str=text) for text in BEGINS.split(self.text) if text]


def fit(spec: BoostingSpec, evidence: Evidence, queries: Ints, position: Ints, threads: int) -> Trees:
    """queries: [n] numbers of the samples; position: [n] of their targets among the candidates, -1 where absent."""
    import lightgbm

    width = min(spec.candidates, evidence.candidates.shape[1])
    taught = (position >= 0) & (position < width)
    queries, position = queries[taught], position[taught]
    if not len(queries):
        return Trees("", spec.parts, threads)
    valid = evidence.candidates[queries, :width] >= 0
    relevant = np.arange(width)[None] == position[:, None]
    columns = names(evidence, spec.parts)
    data = lightgbm.Dataset(
        np.concatenate(
            [
                table(evidence, queries[begin : begin + CHUNK], width, spec.parts)[valid[begin : begin + CHUNK]]
                for begin in range(0, len(queries), CHUNK)
            ]
        ),
        relevant[valid].astype(np.int8),
        group=valid.sum(1),
        feature_name=columns,
    )
    settings = {
        "objective": "lambdarank",
        "lambdarank_truncation_level": spec.truncation,
        "num_leaves": spec.leaves,
        "learning_rate": spec.learning_rate,
        "feature_fraction": spec.feature_fraction,
        "min_data_in_leaf": spec.min_leaf,
        "lambda_l2": spec.l2,
        "bagging_by_query": spec.bagging < 1,
        "bagging_fraction": spec.bagging,
        "bagging_freq": int(spec.bagging < 1),
        "num_threads": threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    seeds = generator(spec.seed, "bags").integers(2**31, size=spec.bags - 1).tolist()
    fits = [lightgbm.train(settings | {"seed": seed}, data, spec.rounds) for seed in [spec.seed, *seeds]]
    return Trees("".join(THREADS.sub("", model.model_to_string()) for model in fits), spec.parts, threads)
