"""What settings of the ranker gain, told apart on more questions than validation has; test is not read.

    python benchmarks/ranker.py FOLDER ranker.bags=1 ranker.bags=3 "ranker.candidates=128 ranker.samples=40000"

FOLDER holds the published New York split. Each further argument is a variant of `experiments=nyc`, settings parted by
blanks; the first is what the others are compared with, pairwise. Kernels and trees are fitted, nested as always, on
the training queries of two thirds of the users and asked the last query of each trajectory of the others (from the
second third of training on, so that there is a history), and validation beside. Evidence is read from the store or
counted into it (`runtime.store=` in each variant). Told of each group: MRR of the ranker; of the kernels alone MRR and,
over the returns, mean log-probability of the target. Adds to benchmarks/results/ranker.json.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.store import Store
from refinepoi.launching.composition import check
from refinepoi.pipeline import Pipeline
from refinepoi.ranker import trees
from refinepoi.ranker.crossfit import Plan, cross_fit, folds_by_user, taught_by
from refinepoi.ranker.kernels import joined, learn
from refinepoi.ranking import expected_rank, reciprocal_rank

Floats = npt.NDArray[np.float64]
RESULTS = Path(__file__).parent / "results" / "ranker.json"
HELD, TAUGHT, VALIDATION = 0, (1, 2), 3
GROUPS = {"held-out users": HELD, "validation": VALIDATION}


def one_round(visits: Trajectories) -> Plan:
    """Two thirds of the users teach; the others' ends and validation are asked."""
    train = visits.query_rows("train")
    fold = folds_by_user(visits, 3, 0)
    part = np.full(visits.queries.height, -1)
    part[train] = np.where(fold[train] == HELD, -1, fold[train])
    ends = taught_by(visits, 0, ends=True)(train[fold[train] == HELD])
    part[ends[ends >= len(train) // 3]] = HELD
    part[visits.query_rows("validation")] = VALIDATION
    return Plan(part, frozenset(TAUGHT), ((frozenset(TAUGHT), frozenset(GROUPS.values())),))


def measure(words: list[str]) -> dict[str, dict[str, Floats]]:
    """group -> figure -> [n], of each query; NaN where a figure is not about it."""
    experiment = check(["experiments=nyc", *words], multirun=False).jobs[0].experiment
    spec = experiment.ranker
    if spec.kind != "trees":
        raise SystemExit("this measures ranker=trees")
    pipeline = Pipeline(experiment, Store(Path(experiment.runtime.store).absolute(), experiment.runtime))
    visits, evidence = pipeline.trajectories.load(), pipeline.evidence.load()
    plan, kernels = one_round(visits), None
    if spec.kernels.kind != "off":
        kernels = learn(spec.kernels, evidence, visits, plan)[0][0]
        evidence = joined(evidence, kernels)
    choose = taught_by(visits, spec.samples, spec.ends)
    scores, _ = cross_fit(partial(trees.fit, spec, threads=1), lambda _: evidence, visits, choose, plan)
    position = evidence.position(visits.queries["target"].to_numpy())
    found = {}
    for name, part in GROUPS.items():
        rows = plan.queries([part])
        there, valid = position[rows], evidence.candidates[rows] >= 0
        found[name] = {"MRR": reciprocal_rank(expected_rank(scores[rows], there, valid))}
        if kernels is not None:
            likely = np.where(there >= 0, kernels[rows, there], 0.0)
            rank = np.where(likely > 0, 1.0 + (kernels[rows] > likely[:, None]).sum(1), np.inf)
            found[name] |= {
                "kernels' MRR": reciprocal_rank(rank),
                "kernels' log-likelihood": np.log(likely, out=np.full(len(rows), np.nan), where=likely > 0),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("variants", nargs="+")
    options = parser.parse_args()
    first: dict[str, dict[str, Floats]] = {}
    for variant in options.variants:
        began = process_time()
        each = measure([f"dataset.path={options.folder}", *variant.split()])
        first = first or each
        found: dict[str, object] = {"seconds": round(process_time() - began)}
        for group, figures in each.items():
            for figure, values in figures.items():
                told = {"mean": round(float(np.nanmean(values)), 4)}
                if figure in first[group]:
                    gain = values - first[group][figure]
                    gain = gain[~np.isnan(gain)]
                    told["gain"] = round(float(gain.mean()), 4)
                    told["standard error"] = round(float(gain.std() / len(gain) ** 0.5), 4)
                found[f"{group}: {figure}"] = told
        print(variant, json.dumps(found), flush=True)
        known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        compared = known.get(options.variants[0], {}) | {variant: found}
        RESULTS.write_text(json.dumps(known | {options.variants[0]: compared}, indent=1) + "\n")


if __name__ == "__main__":
    main()
