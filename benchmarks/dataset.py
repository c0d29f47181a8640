"""Time and memory of the data stage from 0.1 to 10 million check-ins, beside the same steps in pandas.

    python benchmarks/dataset.py                      0.1, 0.3 and 1 million; about a minute
    python benchmarks/dataset.py --full               and 3 and 10 million; some minutes, 1 GB on disk, removed after

Synthetic check-ins (100 a person, favourites and the rest, shuffled lines) in a CSV of about 98 bytes a line go through
the whole stage: reading, checking, protocol `getnext`, samples, saving. Each run is a process of its own on two cores;
time is the wall clock, CPU the sum over cores, memory the greatest resident set. pandas (not a dependency of refinepoi)
does the same steps without the checks of rows; it is measured up to one million.
Writes benchmarks/results/dataset.json and docs/pictures/dataset_scale.png.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "dataset.json"
PICTURE = ROOT / "docs" / "pictures" / "dataset_scale.png"
SIZES = (100_000, 300_000, 1_000_000)
LARGE = (3_000_000, 10_000_000)
CORES = "2"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--one", nargs=3, metavar=("ENGINE", "FILE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        engine, file, folder = options.one
        print(json.dumps(measure(engine, Path(file), Path(folder))))
        return
    rows = []
    for size in (*SIZES, *(LARGE if options.full else ())):
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "checkins.csv"
            synthesise(size, file)
            for engine in ("refinepoi", *(("pandas",) if find_spec("pandas") and size <= SIZES[-1] else ())):
                row = {"checkins": size, "engine": engine, **in_process(engine, file, Path(name))}
                rows.append(row)
                print(json.dumps(row), flush=True)
    RESULTS.write_text(json.dumps({"cores": int(CORES), "rows": rows}, indent=1), encoding="utf-8")
    draw(rows)


def synthesise(size: int, file: Path) -> None:
    """`size` lines in random order: 100 visits a person, 8 in 10 at their favourites; size / 20 places."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(0)
    users, places = size // 100, size // 20
    user = np.repeat(np.arange(users), 100)
    favourites = rng.integers(0, places, (users, 8))
    usual = favourites[user, np.minimum(rng.geometric(0.4, size) - 1, 7)]
    place = np.where(rng.random(size) < 0.8, usual, (places * rng.random(size) ** 3).astype(int))
    pause = np.where(rng.random(size) < 0.75, rng.exponential(4, size), rng.exponential(60, size)) * 3600 + 60
    since = np.cumsum(pause).astype(int)
    when = 1_333_238_400 + (since - since[::100].repeat(100) + rng.integers(0, 2_592_000, users)[user]) % 51_840_000
    latitude, longitude = 40.5 + rng.random(places) * 0.4, -74.2 + rng.random(places) * 0.5
    table = pl.DataFrame(
        {
            "user_id": user,
            "POI_id": place,
            "POI_catname": rng.integers(0, 250, places)[place],
            "latitude": latitude[place].round(6),
            "longitude": longitude[place].round(6),
            "UTC_time": when,
        }
    )
    table.select(
        "user_id",
        pl.format("4b{}f964a52005d1e7", pl.col("POI_id").cast(pl.String).str.zfill(8)).alias("POI_id"),
        pl.format("Kind of place {}", "POI_catname").alias("POI_catname"),
        "latitude",
        "longitude",
        pl.lit(-240).alias("timezone"),
        pl.from_epoch("UTC_time").dt.strftime("%Y-%m-%d %H:%M:%S+00:00"),
    ).sample(fraction=1, shuffle=True, seed=1).write_csv(file)


def in_process(engine: str, file: Path, folder: Path) -> dict[str, Any]:
    environment = {**os.environ, "POLARS_MAX_THREADS": CORES, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--one", engine, str(file), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def measure(engine: str, file: Path, folder: Path) -> dict[str, Any]:
    if engine == "refinepoi":
        from refinepoi.dataset.stage import trajectories_of
        from refinepoi.launching.composition import check

        spec = check(["dataset=csv", f"dataset.path={file}"], multirun=False).jobs[0].experiment.dataset
        start, used = time.perf_counter(), time.process_time()
        made = trajectories_of(spec)
        made.save(folder)
        left, samples = made.checkins.height, made.queries.height
    else:
        import pandas  # noqa: F401

        start, used = time.perf_counter(), time.process_time()
        left, samples = in_pandas(file, folder)
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(time.process_time() - used, 2),
        "gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "left": left,
        "samples": samples,
    }


def in_pandas(file: Path, folder: Path) -> tuple[int, int]:
    """The protocol `getnext` as one writes it in pandas; no row is checked or reported."""
    import pandas as pd

    rows = pd.read_csv(file, dtype={"user_id": str, "POI_id": str})
    rows["utc"] = pd.to_datetime(rows["UTC_time"]).astype("datetime64[s, UTC]").astype("int64")
    rows["local"] = rows["utc"] + 60 * rows["timezone"]
    rows = rows.sort_values(["utc", "user_id", "POI_id"], kind="stable")
    rows = rows.drop_duplicates(["user_id", "POI_id", "utc"])
    by_user = rows.groupby("user_id", sort=False)
    near = (by_user["POI_id"].shift() == rows["POI_id"]) & (by_user["utc"].diff() < 600)
    rows = rows[~near]
    rows = rows[rows.groupby("POI_id")["utc"].transform("size") >= 10]
    rows = rows[rows.groupby("user_id")["utc"].transform("size") >= 10]
    times = rows.groupby("user_id", sort=False)["utc"]
    rows = rows[(times.diff() <= 86_400) | (-times.diff(-1) <= 86_400)]
    number = (rows.groupby("user_id", sort=False)["utc"].diff().fillna(1e12) > 86_400).astype(int)
    rows["trajectory"] = rows["user_id"] + "_" + number.groupby(rows["user_id"], sort=False).cumsum().astype(str)
    rows = rows[rows.groupby("trajectory")["utc"].transform("size") >= 3].copy()
    borders = [rows["utc"].iloc[round(share * len(rows))] for share in (0.8, 0.9)]
    rows["split"] = sum((rows["utc"] >= border).astype(int) for border in borders)
    position = rows.groupby("trajectory", sort=False).cumcount()
    last = position == rows.groupby("trajectory", sort=False)["utc"].transform("size") - 1
    train, known = rows[rows["split"] == 0], rows[(rows["split"] == 0) & (position > 0)]
    asked = (position > 0) & rows["user_id"].isin(set(known["user_id"])) & rows["POI_id"].isin(set(known["POI_id"]))
    kept = (rows["split"] == 0) | (
        rows["user_id"].isin(set(train["user_id"])) & rows["POI_id"].isin(set(train["POI_id"]))
    )
    rows["is_target"] = asked & last
    rows = rows[kept]
    rows[rows["split"] == 0].groupby("POI_id")[["latitude", "longitude", "POI_catname"]].first()
    for column in ("user_id", "POI_id", "trajectory"):
        rows[column] = rows[column].astype("category").cat.codes
    rows[["user_id", "POI_id", "utc", "local", "trajectory", "split"]].to_parquet(folder / "pandas.parquet")
    return len(rows), int(rows["is_target"].sum())


def draw(rows: list[dict[str, Any]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axes, key, label, bar in zip(
        figure.subplots(1, 2), ("seconds", "gib"), ("seconds", "GiB, peak"), (60, 6), strict=True
    ):
        for engine in ("refinepoi", "pandas"):
            points = [(row["checkins"], row[key]) for row in rows if row["engine"] == engine]
            if points:
                axes.plot(*zip(*points, strict=True), marker="o", label=engine)
        axes.scatter([10_000_000], [bar], marker="_", s=300, color="#c0271d", label="bar at 10 million")
        axes.set(xscale="log", yscale="log", xlabel="check-ins", ylabel=label)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    main()
