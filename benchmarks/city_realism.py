"""The embedded city's figures beside New York's: how people return, roam and keep hours (docs/city.md).

    REFINEPOI_DATA=FOLDER python benchmarks/city_realism.py            FOLDER holds nyc/
    REFINEPOI_DATA=FOLDER python benchmarks/city_realism.py --seeds 5

Prints the table of docs/city.md and writes benchmarks/results/city_realism.json. A few seconds.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from refinepoi.dataset.realism import figures, profile_distance
from refinepoi.dataset.stage import trajectories_of
from refinepoi.launching.composition import check

RESULTS = Path(__file__).parent / "results" / "city_realism.json"
UNITS = {"checkins_per_user": "check-ins", "places_per_user": "places", "trajectory_length": "check-ins"}
LARGEST_PROFILE_DISTANCE = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="cities to simulate")
    seeds = range(parser.parse_args().seeds)
    folder = os.environ.get("REFINEPOI_DATA")
    if not folder:
        sys.exit("REFINEPOI_DATA names no folder; it must hold nyc/ with the published files")
    new_york = measure(["dataset=nyc", f"dataset.path={Path(folder) / 'nyc'}"])
    start = time.perf_counter()
    cities = [measure([f"dataset.seed={seed}"]) for seed in seeds]
    seconds = (time.perf_counter() - start) / len(cities)
    hours = new_york.pop("hours")
    distances = [profile_distance(city.pop("hours"), hours) for city in cities]
    print(f"{'':22} {'New York':>9}  city, seeds {', '.join(map(str, seeds))}")
    for name, value in new_york.items():
        print(f"{name:22} {value:9.3f}  {'  '.join(f'{city[name]:8.3f}' for city in cities)}")
    print(f"{'hours_distance':22} {0:9.3f}  {'  '.join(f'{distance:8.3f}' for distance in distances)}")
    print(f"\nNew York's check-ins by hour: {' '.join(f'{share:.4f}' for share in hours)}")
    print(f"{seconds:.1f} s for a city and its figures")
    claims = [
        {
            "claim": f"embedded city: {name}, mean of {len(cities)} seeds",
            "value": round(sum(city[name] for city in cities) / len(cities), 4),
            "unit": UNITS.get(name, "km" if "_km_" in name else "hours" if "_hours_" in name else "ratio"),
            "peer": "Foursquare New York",
            "bar": value,
        }
        for name, value in new_york.items()
    ]
    claims.append(
        {
            "claim": "embedded city: total variation distance of hour profiles, largest of the seeds",
            "value": round(max(distances), 4),
            "unit": "share",
            "peer": "Foursquare New York",
            "bar": LARGEST_PROFILE_DISTANCE,
        }
    )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(claims, indent=1) + "\n", encoding="utf-8")


def measure(overrides: list[str]) -> dict[str, Any]:
    """The figures of the data set that these words of the command line choose."""
    return figures(trajectories_of(check(overrides, multirun=False).jobs[0].experiment.dataset))


if __name__ == "__main__":
    main()
