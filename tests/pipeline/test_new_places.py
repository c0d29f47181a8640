"""Places that open later get IDs beside those that were given: features, encoder and quantizer of an earlier run."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from command import last_line, refinepoi

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories

SETTINGS = [
    "dataset=csv", "dataset.columns.category=category", "dataset.columns.timezone=null", "dataset.timezone=UTC",
    "dataset.time_format=epoch", "encoder.epochs=2", "quantizer.levels=[5x5,5x5]", "quantizer.epochs=3",
    "quantizer.quality.beside=off", "runtime.progress=false", "tracking=off", "goal=semantic_ids",
]  # fmt: skip
FITTED = [word for word in SETTINGS if not word.startswith(("encoder.", "quantizer.levels", "quantizer.epochs"))]


def write_checkins(path: Path, places: int) -> None:
    """Twenty people, three visits every other day; those beyond 40 are visited from day 10 on."""
    draw = np.random.default_rng(0)
    start = datetime(2024, 1, 1, 8, tzinfo=UTC)
    spots = draw.normal([40.7, -74.0], 0.03, (60, 2))
    lines = ["user_id,POI_id,latitude,longitude,UTC_time,category"]
    for user in range(20):
        for day in range(0, 120, 2):  # a day without visits ends a trajectory
            for visit in range(3):
                place = int(draw.integers(0, 40))
                other = int(draw.integers(40, 60))
                if day >= 10 and other < places and visit == 1:
                    place = other
                moment = start + timedelta(days=day, hours=4 * visit, seconds=user)
                kind = f"kind {place % 5}"
                lines.append(
                    f"u{user},p{place},{spots[place][0]:.5f},{spots[place][1]:.5f},{moment.timestamp():.0f},{kind}"
                )
    path.write_text("\n".join(lines) + "\n")


def run(folder: Path, *words: str) -> dict[str, Path]:
    """Artifact folders by name."""
    records = json.loads((last_line(refinepoi(folder, *words)) / "stages.json").read_text())
    return {name: folder / "artifacts" / record["stage"] / record["key"] for name, record in records.items()}


def test_new_places_get_ids_and_old_ones_keep_theirs(tmp_path: Path) -> None:
    write_checkins(tmp_path / "then.csv", 40)
    write_checkins(tmp_path / "now.csv", 45)
    then = run(tmp_path, *SETTINGS, "dataset.path=then.csv")
    now = run(
        tmp_path, *FITTED, "dataset.path=now.csv",
        "features=fitted", f"features.map={then['features']}",
        "encoder=fitted", f"encoder.network={then['embeddings']}",
        "quantizer=fitted", f"quantizer.codebook={then['semantic_ids']}",
    )  # fmt: skip
    ids = []
    for made in (then, now):
        codes = SemanticIds.load(made["semantic_ids"]).texts
        names = Trajectories.load(made["trajectories"]).pois["poi_id"].to_list()
        ids.append(dict(zip(names, codes, strict=True)))
    before, after = ids
    assert len(before) == 40 and len(after) == 45
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == 45, "no two places share an ID"
    report = SemanticIds.load(now["semantic_ids"]).report
    assert report["drift"]["new_pois"] == 5 and report["drift"]["old_pois"] == 40
