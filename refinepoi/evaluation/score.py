"""From lists and ranks to the content of `metrics.json` (docs/method.md section 4).

Every method answers every query of a split: a query without a list counts as a miss and is reported, never left out.
`MRR` is over a method's own list (its length stands in the protocol, 0 where the target is absent); `MRR@k` and
`NDCG@k` cut all methods at the largest k of Acc@k, so that rankers of 100 candidates and lists of 10 compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.predictions import Predictions
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import UserError
from refinepoi.core.seeding import generator
from refinepoi.evaluation.bootstrap import interval, resampled_means
from refinepoi.evaluation.spec import ScoringSpec
from refinepoi.evaluation.strata import Stratum, bounds, find_strata, observed, place_stratum
from refinepoi.ranking import hit_at, ndcg_at, reciprocal_rank

VERSION = "1"  # of the metrics' definitions; part of every protocol
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Method:
    """One method's predictions under the name it bears in the table."""

    predictions: Predictions
    name: str  # in `predictions`


def gather(policy: Predictions, warm_start: Predictions, *others: Predictions) -> dict[str, Method]:
    """All methods of a run by name: policy, warm_start, then the other rankers in their order."""
    methods = {"policy": Method(policy, "model"), "warm_start": Method(warm_start, "model")}
    for predictions in others:
        rankers = rankers_of(predictions)
        if taken := [name for name in rankers if name in methods]:
            raise UserError(f"baseline: a ranker is called {taken[0]!r}, a name that the table has already; rename it")
        methods |= rankers
    return methods


def rankers_of(predictions: Predictions) -> dict[str, Method]:
    """All that made predictions, by name, in their order."""
    return {name: Method(predictions, name) for name in predictions.ranks["method"].unique(maintain_order=True)}


def score_all(
    methods: Mapping[str, Method], trajectories: Trajectories, evidence: Evidence, spec: ScoringSpec
) -> dict[str, Any]:
    """The content of `metrics.json`, without the run's `stages`."""
    history = evidence.facts["history"]
    protocol = {
        **trajectories.facts["protocol"],
        "history": history,
        "target_time": evidence.facts["target_time"],
        "catalogue": trajectories.pois.height,
        "list_lengths": {name: facts_of(method).get("list_length") for name, method in methods.items()},
        "ranks_over": {name: facts_of(method).get("ranks_over", "") for name, method in methods.items()},
        "ties": "expected rank",
        "MRR": "over the method's own list, 0 where the target is absent",
        "intervals": f"{spec.confidence:g} bootstrap over {spec.unit}s, {spec.resamples} resamples, seed {spec.seed}",
        "metrics_version": VERSION,
    }
    test = _score_split("test", methods, trajectories, evidence, spec)
    validation = _score_split("validation", methods, trajectories, evidence, spec)
    strata = test.pop("strata")
    del validation["strata"]
    return {"protocol": protocol, **test, "validation": validation, "strata": strata}


def facts_of(method: Method) -> dict[str, Any]:
    """What the maker of the predictions says of a method: `list_length` (a list of k places), `ranks_over` ..."""
    facts: dict[str, Any] = method.predictions.facts.get("methods", {}).get(method.name, {})
    return facts


def ranks_of(method: Method, rows: npt.NDArray[np.int64]) -> Floats:
    """Rank of the target for each query of `rows`, NaN where the method gave no list. float64 [n]."""
    asked = pl.DataFrame({"query": rows.astype(np.int32)})
    ranks = method.predictions.ranks.filter(pl.col("method") == method.name).select("query", "rank")
    return asked.join(ranks, on="query", how="left", maintain_order="left", validate="1:1")["rank"].to_numpy()


def list_faults(method: Method, rows: npt.NDArray[np.int64], catalogue: int) -> dict[str, float]:
    """Shares of the stored entries that name no POI, and that repeat an earlier entry of their list."""
    table = method.predictions.table.filter(
        pl.col("method") == method.name, pl.col("query").is_in(pl.Series(rows.astype(np.int32)).implode())
    ).sort("query", "rank")
    valid = table.filter(pl.col("poi").is_between(0, catalogue - 1))
    repeats = valid.height - valid.select(pl.struct("query", "poi").n_unique()).item() if valid.height else 0
    entries = max(table.height, 1)
    return {"invalid_rate": (table.height - valid.height) / entries, "duplicate_rate": repeats / entries}


def reasoning_figures(method: Method, rows: npt.NDArray[np.int64]) -> dict[str, float]:
    """Mean tokens of the reasoning, shares closed by force and without any; empty where none was asked for."""
    asked = pl.Series(rows.astype(np.int32)).implode()
    found = method.predictions.reasoning.filter(pl.col("method") == method.name, pl.col("query").is_in(asked))
    if not found.height:
        return {}
    return {
        "tokens": float(found["tokens"].to_numpy().mean()),
        "closed_by_force": float(found["forced"].to_numpy().mean()),
        "without": float(found["text"].is_null().to_numpy().mean()),
    }


def worth(rank: Floats, ks: tuple[int, ...]) -> dict[str, Floats]:
    """Each metric of each sample, float64 [n]; the means are what the table shows. NaN ranks count as misses."""
    rank = np.where(np.isnan(rank), np.inf, rank)
    top = ks[-1]
    return {
        **{f"Acc@{k}": hit_at(rank, k) for k in ks},
        "MRR": reciprocal_rank(rank),
        f"MRR@{top}": reciprocal_rank(rank, top),
        f"NDCG@{top}": ndcg_at(rank, top),
    }


def _score_split(
    split: str, methods: Mapping[str, Method], trajectories: Trajectories, evidence: Evidence, spec: ScoringSpec
) -> dict[str, Any]:
    rows = trajectories.query_rows(split)
    if rows.size == 0:
        return {"samples": 0, "methods": {}, "paired": {}, "strata": {}}
    users = trajectories.queries["user"].to_numpy()[rows].astype(np.int64)
    ranks = {name: ranks_of(method, rows) for name, method in methods.items()}
    samples = Samples({name: worth(rank, spec.ks) for name, rank in ranks.items()}, users, split, spec)
    everyone = np.ones(len(rows), np.bool_)
    table = samples.table(everyone)
    for name, method in methods.items():
        table[name] |= list_faults(method, rows, trajectories.pois.height)
        table[name]["unanswered_rate"] = float(np.isnan(ranks[name]).mean())
    position = evidence.position(trajectories.queries["target"].to_numpy())[rows]
    strata: dict[str, Any] = {}
    if split == "test":
        found = find_strata(trajectories, rows, evidence.facts["history"], spec.strata)
        found["candidate"] = place_stratum(position)
        strata = {name: _score_stratum(samples, stratum) for name, stratum in found.items()}
    judged = "policy" if "policy" in methods else list(methods)[-1]  # of baselines alone the fullest
    others = [name for name in spec.against if name in methods and name != judged]
    paired = samples.paired(judged, others)
    if "ranker" in others:  # the order that the prompts show
        paired |= samples.paired("ranker", [name for name in others if name not in ("ranker", "warm_start")])
    reasoning = {name: figures for name, method in methods.items() if (figures := reasoning_figures(method, rows))}
    return {
        "samples": len(rows),
        "methods": table,
        "paired": paired,
        "bounds": bounds(position),
        **({"reasoning": reasoning} if reasoning else {}),
        "strata": strata,
    }


def _score_stratum(samples: "Samples", stratum: Stratum) -> dict[str, Any]:
    content = {}
    for index, label in enumerate(stratum.labels):
        members = stratum.group == index
        if members.any():
            content[label] = {
                "samples": int(members.sum()),
                **observed(stratum, members),
                "methods": samples.table(members),
            }
    return content


@dataclass(frozen=True, eq=False)
class Samples:
    """worth: method -> metric -> float64 [n].  users: int64 [n]."""

    worth: dict[str, dict[str, Floats]]
    users: npt.NDArray[np.int64]
    split: str
    spec: ScoringSpec

    def table(self, members: npt.NDArray[np.bool_]) -> dict[str, dict[str, Any]]:
        """Mean and interval of every metric of every method over some of the samples."""
        metrics = list(next(iter(self.worth.values())))
        values = np.stack([self.worth[m][x][members] for m in self.worth for x in metrics], axis=1)
        bounds = interval(self._means(values, members), self.spec.confidence)
        cells = iter(zip(values.mean(0), bounds, strict=True))
        table: dict[str, dict[str, Any]] = {}
        for method in self.worth:
            table[method] = {}
            for metric in metrics:
                mean, ends = next(cells)
                table[method] |= {metric: float(mean), f"{metric}_interval": ends.tolist()}
        return table

    def paired(self, name: str, others: list[str]) -> dict[str, Any]:
        """Mean difference of a method and each other over the same samples, with its interval."""
        everyone = np.ones(len(self.users), np.bool_)
        content: dict[str, Any] = {}
        for other in others:
            differences = {x: value - self.worth[other][x] for x, value in self.worth[name].items()}
            values = np.stack(list(differences.values()), axis=1)
            bounds = interval(self._means(values, everyone), self.spec.confidence)
            content[f"{name} - {other}"] = {
                metric: {"difference": float(mean), "interval": ends.tolist()}
                for metric, mean, ends in zip(differences, values.mean(0), bounds, strict=True)
            }
        return content

    def _means(self, values: Floats, members: npt.NDArray[np.bool_]) -> Floats:
        clusters = self.users[members] if self.spec.unit == "user" else None
        # the same draws for every table of a split: a method's interval does not depend on who else is in the table
        draw = generator(self.spec.seed, "bootstrap", self.split)
        return resampled_means(values, clusters, self.spec.resamples, draw)
