"""No leak, the whole way: where visits are shuffled among people and times, nothing may beat popularity.

    python benchmarks/shuffled.py experiments=nyc dataset=city        or dataset.path=FOLDER; any settings

Every visit keeps user, time and trajectory and gets the place of another visit of its split. The whole pipeline then
runs on that through the command line, as any user would run it. Past and future are independent, so whoever ranks
better than popularity, and not by chance, has seen answers. Prints every row of the table, how many standard errors of
Acc@10 it is above popularity, and marks those above three; writes benchmarks/results/shuffled.json.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.core.seeding import generator
from refinepoi.dataset.stage import trajectories_of
from refinepoi.launching.composition import check

OUT = Path(__file__).parent / "results" / "shuffled.json"
FILES = {"train": "NYC_train.csv", "validation": "NYC_val.csv", "test": "NYC_test.csv"}  # the published form
CLOCK = "%Y-%m-%d %H:%M:%S+00:00"


def write_shuffled(trajectories: Trajectories, folder: Path) -> None:
    """Three files in the form of the published New York split."""
    pois, split = trajectories.pois, trajectories.checkins["split"].to_numpy()
    poi = trajectories.checkins["poi"].to_numpy().copy()
    for number in range(len(SPLITS)):
        rows = np.flatnonzero(split == number)
        poi[rows] = poi[generator(0, "shuffled", str(number)).permutation(rows)]
    utc, local = (pl.from_epoch(trajectories.checkins[name]) for name in ("utc", "local"))
    table = pl.DataFrame(
        {
            "user_id": trajectories.users["user_id"][trajectories.checkins["user"]],
            "POI_id": pois["poi_id"][poi],
            "POI_catid": pois["category_id"][poi],
            "POI_catname": pois["category"][poi],
            "latitude": pois["latitude"][poi],
            "longitude": pois["longitude"][poi],
            "timezone": (trajectories.checkins["local"] - trajectories.checkins["utc"]) // 60,
            "UTC_time": utc.dt.strftime(CLOCK),
            "local_time": local.dt.strftime(CLOCK),
            "trajectory_id": trajectories.checkins["trajectory"],
        }
    )
    for number, name in enumerate(SPLITS):
        table.filter(split == number).write_csv(folder / FILES[name])


def main() -> None:
    given = sys.argv[1:]
    trajectories = trajectories_of(check(given, multirun=False).jobs[0].experiment.dataset)
    kept = [word for word in given if not word.startswith("dataset")]
    with tempfile.TemporaryDirectory() as temporary:
        write_shuffled(trajectories, Path(temporary))
        words = [*kept, "dataset=nyc", f"dataset.path={temporary}", f"hydra.run.dir={temporary}/run", "name=shuffled"]
        words += ["dataset.cleaning.earliest=2000-01-01", "dataset.cleaning.latest=2100-01-01"]
        words += [] if any("runtime.store=" in word for word in kept) else [f"runtime.store={temporary}/store"]
        subprocess.run([sys.executable, "-m", "refinepoi", *words], check=True)
        metrics = json.loads(next(Path(temporary, "run").rglob("metrics.json")).read_text())
    chance, samples = metrics["methods"]["popularity"], metrics["samples"]
    found: dict[str, dict[str, float]] = {}
    print(f"\n{samples} test samples\n{'':>20} Acc@1  Acc@10   MRR  errors of Acc@10 above popularity")
    for name, row in metrics["methods"].items():
        share = max(chance["Acc@10"], 1 / samples)
        above = (row["Acc@10"] - chance["Acc@10"]) / np.sqrt(2 * share * (1 - share) / samples)
        found[name] = {k: row[k] for k in ("Acc@1", "Acc@10", "MRR")} | {"errors_above": float(above)}
        values = "   ".join(f"{value:.3f}" for value in list(found[name].values())[:3])
        print(f"{name:>20} {values}  {above:+.1f}{'  LEAK?' if above > 3 else ''}")
    OUT.write_text(json.dumps({"settings": kept, "samples": samples, "methods": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
