"""How long an answer takes: process time of one question, one thread, after loading.

    OMP_NUM_THREADS=1 python benchmarks/recommend.py runs/city/STAMP

RUN is the folder of a finished run. Its validation and test samples are asked one after another as a user would ask
them: a history as text, matched to the catalogue, counted, written, decoded. Freed memory is not kept as runs keep it,
since nobody who calls `Recommender.load` has that. Written to benchmarks/results/.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from refinepoi import Recommender
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.recommend.clock import Moment
from refinepoi.recommend.run import Handles

QUESTIONS, WARM_UP, BAR_MS = 300, 20, 20.0
OUT = Path(__file__).parent / "results" / "recommend.json"


def questions(t: Trajectories) -> Iterator[tuple[list[tuple[str, str]], str]]:
    """History and time of each held-out sample, all as text."""
    pois = t.pois["poi_id"].to_list()
    for split, user, row in t.queries.select("split", "user", "row").iter_rows():
        if split == SPLITS.index("train"):
            continue
        mine = t.checkins.filter((t.checkins["user"] == user) & (t.checkins["utc"] < t.checkins["utc"][row]))
        rows = [(pois[p], Moment(u, c).text()) for p, u, c in mine.select("poi", "utc", "local").iter_rows()]
        yield rows, Moment(t.checkins["utc"][row], t.checkins["local"][row]).text()


def main() -> None:
    run = Path(sys.argv[1])
    torch.set_num_threads(1)
    start = time.process_time()
    recommender = Recommender.load(run)
    loaded = time.process_time() - start
    trajectories = Handles(run).trajectories.load()
    asked = [question for question, _ in zip(questions(trajectories), range(WARM_UP + QUESTIONS), strict=False)]
    model = recommender.model
    result: dict[str, object] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "catalogue": trajectories.pois.height,
        "questions": len(asked) - WARM_UP,
        "visits_median": float(np.median([len(rows) for rows, _ in asked])),
        "load_s": round(loaded, 2),
        "torch": torch.__version__,
    }
    for mode in ("beam", "list"):
        times = []
        for rows, when in asked:
            start = time.process_time()
            recommender.recommend(rows, when, 10, mode=mode)
            times.append(1e3 * (time.process_time() - start))
        median, p95 = np.quantile(times[WARM_UP:], [0.5, 0.95])
        result[mode] = {"median_ms": round(float(median), 1), "p95_ms": round(float(p95), 1)}
        verdict = "met" if median < BAR_MS else "missed"
        print(f"{mode}: median {median:.1f} ms, p95 {p95:.1f} ms; bar {BAR_MS:g} ms: {verdict}")
    OUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
