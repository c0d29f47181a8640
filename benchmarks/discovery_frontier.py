"""Trees over the evidence with and without its list of new places: returns against discoveries, by prior.

    python benchmarks/discovery_frontier.py FOLDER      the published New York split in FOLDER; some minutes, 4 GB

A prior multiplies the odds of places never visited (`ranker.discovery_prior`). Validation decides; test is told for
prior 1 alone. Writes benchmarks/results/discovery_frontier.json and docs/pictures/discovery_frontier.png: means of the
seeds.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib import pyplot

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.baseline.spec import Trees
from refinepoi.dataset.stage import trajectories_of
from refinepoi.evidence.count import count
from refinepoi.evidence.coverage import coverage, discoveries
from refinepoi.evidence.names import DISCOVERY
from refinepoi.launching.composition import check
from refinepoi.ranker import trees
from refinepoi.ranker.crossfit import taught_by
from refinepoi.ranker.order import favour

RESULTS = Path(__file__).parent / "results" / "discovery_frontier.json"
PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "discovery_frontier.png"
PRIORS = (0.5, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
POOLS = {"without": ["evidence.discovery.part=0"], "with": []}
Ranks = npt.NDArray[np.float64]


def ranks(evidence: Evidence, scores: Ranks, position: npt.NDArray[np.int64]) -> Ranks:
    """[n] of the target, infinite where it is no candidate."""
    scores = np.where(evidence.candidates >= 0, scores, -np.inf)
    own = np.take_along_axis(scores, np.maximum(position, 0)[:, None], 1)
    return np.where(position >= 0, 1.0 + (scores > own).sum(1), np.inf)


def quality(rank: Ranks, new: npt.NDArray[np.bool_]) -> dict[str, list[float]]:
    """Acc@1, Acc@5, Acc@10, MRR of all, returns and discoveries."""
    parts = {"all": rank, "returns": rank[~new], "discoveries": rank[new]}
    return {name: [*(float((r <= k).mean()) for k in (1, 5, 10)), float((1 / r).mean())] for name, r in parts.items()}


def rows_of(evidence: Evidence, rows: npt.NDArray[np.int64]) -> Evidence:
    found = evidence.candidates[rows], evidence.counters[rows], evidence.context[rows]
    return replace(evidence, candidates=found[0], counters=found[1], context=found[2])


def without_sources(evidence: Evidence) -> Evidence:
    """As it was before there was a list of new places."""
    kept = [n for n, name in enumerate(evidence.names) if name not in DISCOVERY]
    names = tuple(evidence.names[n] for n in kept)
    return replace(evidence, counters=np.ascontiguousarray(evidence.counters[:, :, kept]), names=names)


def subset(trajectories: Trajectories, samples: int, ends: bool) -> Trajectories:
    """Only the training queries that teach."""
    taught = np.sort(taught_by(trajectories, samples, ends)(trajectories.query_rows("train")))
    rows = np.concatenate([taught, trajectories.query_rows("validation"), trajectories.query_rows("test")])
    return replace(trajectories, queries=trajectories.queries[rows.tolist()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--candidates", type=int, help="of each training query, in place of baseline.trees.candidates")
    options = parser.parse_args()
    results: dict[str, Any] = {"seeds": options.seeds, "columns": "Acc@1, Acc@5, Acc@10, MRR"}
    for pool, overrides in POOLS.items():
        given = ["experiments=nyc", f"dataset.path={options.folder}", *overrides]
        experiment = check(given, multirun=False).jobs[0].experiment
        spec = experiment.baseline.trees
        assert isinstance(spec, Trees)  # experiments=nyc has them
        trajectories = subset(trajectories_of(experiment.dataset), spec.samples, spec.ends)
        evidence, new = count(trajectories, experiment.evidence), discoveries(trajectories)
        results[pool] = {"coverage": {k: v for k, v in coverage(evidence, trajectories).items() if "train" not in k}}
        evidence = without_sources(evidence) if pool == "without" else evidence
        position = evidence.position(trajectories.queries["target"].to_numpy())
        train = trajectories.query_rows("train")
        parts = {split: trajectories.query_rows(split) for split in ("validation", "test")}
        asked = {split: rows_of(evidence, rows) for split, rows in parts.items()}
        found: dict[str, list[Any]] = {}
        for seed in range(options.seeds):
            model = trees.fit(
                spec.model_copy(update={"seed": seed, "candidates": options.candidates or spec.candidates}),
                evidence,
                train,
                position[train],
                threads=1,
            )
            for split, rows in parts.items():
                scores = model.scores(asked[split], np.arange(len(rows)))
                for prior in PRIORS if split == "validation" else (1.0,):
                    rank = ranks(asked[split], favour(asked[split], scores, 1.0, prior), position[rows])
                    found.setdefault(f"{split}, prior {prior:g}", []).append(quality(rank, new[rows]))
        for name, seeds in found.items():
            mean = {part: np.mean([s[part] for s in seeds], 0).round(4).tolist() for part in seeds[0]}
            results[pool][name] = mean
            print(pool, name, mean, flush=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    draw(results)


def draw(results: dict[str, Any]) -> None:
    matplotlib.use("agg")
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for pool in POOLS:
        points = np.array(
            [[results[pool][f"validation, prior {p:g}"][g][2] for g in ("returns", "discoveries")] for p in PRIORS]
        )
        axes.plot(points[:, 0], points[:, 1], marker="o", label=f"{pool} the list of new places")
        for prior, point in zip(PRIORS, points, strict=True):
            axes.annotate(f"{prior:g}", point, textcoords="offset points", xytext=(4, 4), fontsize=8)
    axes.set(xlabel="Acc@10 of returns", ylabel="Acc@10 of discoveries", title="Trees by discovery_prior, validation")
    axes.legend()
    figure.savefig(PICTURE, dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    main()
