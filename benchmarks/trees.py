"""What trees gain from counters, told apart on more questions than validation has; test is not read.

    python benchmarks/trees.py FOLDER                           the published New York split in FOLDER; minutes, 8 GB
    python benchmarks/trees.py FOLDER evidence.history=train_prefix baseline.trees.bags=3

Validation's 1,400 samples cannot tell apart two rankers closer than .01. So trees are fitted on the training queries of
two thirds of the users and asked the last query of each trajectory of the others (from the second third of training
on, so that there is a history), and validation beside. Evidence is counted from the past alone, so that nothing
of an asked query is known to its fit. Compared, pairwise: all counters; without those added in evidence 2; without
each group. Further arguments are settings. Writes benchmarks/results/trees.json.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence
from refinepoi.dataset.stage import trajectories_of
from refinepoi.evidence.count import count
from refinepoi.evidence.names import CATEGORY_SHARES, CATEGORY_SUMS
from refinepoi.launching.composition import check
from refinepoi.ranker import trees
from refinepoi.ranker.crossfit import folds_by_user, taught_by
from refinepoi.ranking import expected_rank, reciprocal_rank

Ints = npt.NDArray[np.int64]
RESULTS = Path(__file__).parent / "results" / "trees.json"
HOURS = ("user_hour_1.5h", *(f"user_hour_{width:g}h_share" for width in (0.5, 1, 1.5, 2, 4)))
GROUPS: dict[str, tuple[str, ...]] = {
    "shares of hour kernels": HOURS,
    "visits near the last place": ("user_near_next", "user_near_habit", "user_near_habit_share"),
    "recency in visits": ("user_trail", "user_trail_share"),
    "rhythm": ("user_rhythm", "user_rhythm_hazard"),
    "categories": (*CATEGORY_SUMS, *CATEGORY_SHARES),
    "days of a kind, share of moves": ("user_kind_recent", "user_kind_share", "user_next_share"),
    "share of new places": ("new_share", "new_share_hour"),
}


def without(evidence: Evidence, names: tuple[str, ...]) -> Evidence:
    if not names:
        return evidence
    kept = [n for n, name in enumerate(evidence.names) if name not in names]
    facts = [n for n, name in enumerate(evidence.context_names) if name not in names]
    return replace(
        evidence,
        counters=evidence.counters[:, :, kept],
        names=tuple(evidence.names[n] for n in kept),
        context=evidence.context[:, facts],
        context_names=tuple(evidence.context_names[n] for n in facts),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--groups", action="store_true", help="also without each group of counters")
    options, settings = parser.parse_known_args()
    words = ["dataset=nyc", f"dataset.path={options.folder}", "baseline/trees=lightgbm", *settings]
    experiment = check(words, multirun=False).jobs[0].experiment
    visits, spec = trajectories_of(experiment.dataset), experiment.baseline.trees
    if spec.kind == "off":
        parser.error("baseline.trees=off leaves nothing to measure")
    evidence = count(visits, experiment.evidence)
    position = evidence.position(visits.queries["target"].to_numpy())
    train = visits.query_rows("train")
    held = folds_by_user(visits, 3, 0)[train] == 0
    ends = taught_by(visits, 0, ends=True)(train[held])
    asked = {"held-out users": ends[ends >= len(train) // 3], "validation": visits.query_rows("validation")}
    taught = taught_by(visits, spec.samples, spec.ends)(train[~held])

    def reciprocal(read: Evidence) -> dict[str, npt.NDArray[np.float64]]:
        model = trees.fit(spec, read, taught, position[taught], threads=1)
        return {name: reciprocal_rank(ranks(model, read, rows)) for name, rows in asked.items()}

    def ranks(model: trees.Trees, read: Evidence, rows: Ints) -> npt.NDArray[np.float64]:
        return expected_rank(model.scores(read, rows), position[rows], read.candidates[rows] >= 0)

    new = tuple(name for names in GROUPS.values() for name in names)
    left_out = {"all": (), "none of the new ones": new} | (GROUPS if options.groups else {})
    found: dict[str, Any] = {"settings": settings, "fitted on": len(taught)}
    first: dict[str, npt.NDArray[np.float64]] = {}
    for name, names in left_out.items():
        each = reciprocal(without(evidence, names))
        first = first or each
        found[name] = {
            group: {
                "queries": len(values),
                "MRR": round(float(values.mean()), 4),
                "less than all": round(float((first[group] - values).mean()), 4),
                "standard error": round(float((first[group] - values).std() / len(values) ** 0.5), 4),
            }
            for group, values in each.items()
        }
        print(name, json.dumps(found[name]), flush=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(known | {" ".join(settings) or "default": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
