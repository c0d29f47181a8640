import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runtimes import runtime

from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import UserError
from refinepoi.core.store import Store
from refinepoi.dataset.stage import make_trajectories, trajectories_of

RUNTIME = runtime()
FRAMES = ("checkins", "pois", "users", "queries")


def digest(made: Trajectories) -> str:
    total = hashlib.sha256()
    for name in FRAMES:
        total.update(getattr(made, name).write_csv().encode())
    return total.hexdigest()


def test_the_artifact_and_its_report(small_csv: Callable[..., Any], visits: list[str], tmp_path: Path) -> None:
    store = Store(tmp_path / "store", RUNTIME)
    spec = small_csv([*visits, "rubbish"])
    made = store.get(make_trajectories, [spec])
    report = json.loads((made.path / "report.json").read_text(encoding="utf-8"))
    assert report["bad"] == {"1 fields instead of 8": 1} and report["rows_read"] == 181
    loaded = made.load()
    assert loaded.facts["report"] == report
    assert store.get(make_trajectories, [spec]).hit
    (curve,) = json.loads((made.path / "curve.json").read_text(encoding="utf-8"))
    assert curve["train_checkins"] == 144


def test_changed_data_at_the_same_path_is_made_again(
    small_csv: Callable[..., Any], visits: list[str], tmp_path: Path
) -> None:
    store = Store(tmp_path / "store", RUNTIME)
    first = store.get(make_trajectories, [small_csv(visits)])
    second = store.get(make_trajectories, [small_csv([*visits, visits[0]])])
    assert first.key != second.key


def test_facts_hold_protocol_and_counts(small_csv: Callable[..., Any], visits: list[str]) -> None:
    made = trajectories_of(small_csv(visits, {"name": "mine"}))
    protocol = made.facts["protocol"]
    assert protocol["dataset"] == "mine" and protocol["samples"] == "sthgcn" and protocol["train_queries"] == "last"
    assert [step["step"] for step in made.facts["counts"]["steps"]] == [
        "usable rows",
        "duplicates dropped",
        "frequent POIs and users",
        "isolated check-ins dropped",
        "short trajectories dropped",
        "unseen users and POIs dropped",
    ]
    assert made.facts["counts"]["splits"]["train"] == {
        "checkins": 144,
        "users": 3,
        "pois": 5,
        "trajectories": 15,
        "samples": 12,
    }
    json.dumps(made.facts, allow_nan=False)


def test_samples_are_last_visits_in_order(small_csv: Callable[..., Any], visits: list[str]) -> None:
    made = trajectories_of(small_csv(visits))
    queries, checkins = made.queries, made.checkins
    keys = list(zip(queries["split"], queries["row"], strict=True))
    assert keys == sorted(keys)
    for row, trajectory, user in queries.select("row", "trajectory", "user").iter_rows():
        rows = np.flatnonzero(checkins["trajectory"].to_numpy() == trajectory)
        assert row == rows[-1] and len(rows) > 1
        assert set(checkins["user"].to_numpy()[rows]) == {user}


def test_local_time_and_places_are_kept(small_csv: Callable[..., Any], visits: list[str]) -> None:
    made = trajectories_of(small_csv(visits))
    assert set((made.checkins["utc"] - made.checkins["local"]).to_list()) == {240 * 60}
    assert made.pois.row(1, named=True) == {
        "poi_id": "p1",
        "category_id": "c1",
        "category": "Kind 1",
        "latitude": 40.2,
        "longitude": -74.2,
        "in_train": True,
    }


@pytest.mark.parametrize("samples", ["sthgcn", "llm4poi"])
def test_the_order_of_the_rows_in_the_file_changes_nothing(
    small_csv: Callable[..., Any], visits: list[str], samples: str
) -> None:
    # five visits of one user in one second, so that order has to come from content
    tied = [f"u0,p{n},c0,Kind 0,40.{n},-74.0,-240,2012-05-03 08:00:00+00:00" for n in range(5)]
    lines, changes = visits + tied, {"protocol.samples": samples}
    expected = digest(trajectories_of(small_csv(lines, changes)))
    for seed in range(5):
        random.Random(seed).shuffle(lines)
        assert digest(trajectories_of(small_csv(lines, changes))) == expected


def test_test_rows_change_nothing_of_the_catalogue(small_csv: Callable[..., Any], visits: list[str]) -> None:
    shares = {"protocol.train_share": 0.3, "protocol.validation_share": 0.3}  # train: 54 rows of the first two days
    late = [n for n, line in enumerate(visits) if "2012-05-01" not in line and "2012-05-02" not in line]
    changed = list(visits)
    for n in late:
        changed[n] = visits[n].replace("Kind", "Other").replace(",40.", ",41.")
    one, other = (trajectories_of(small_csv(lines, shares)) for lines in (visits, changed))
    assert len(late) == 120 and one.pois.equals(other.pois)


@pytest.mark.parametrize("source", ["city", "csv"])
def test_the_artifact_is_the_same_byte_for_byte(
    load_spec: Callable[..., Any],
    small_csv: Callable[..., Any],
    visits: list[str],
    root: Path,
    tmp_path: Path,
    source: str,
) -> None:
    """Whatever the hash seed and the number of threads; of a file, whatever the order of its lines."""
    city = load_spec("city", {"seed": 3, "city.users": 60, "protocol.min_poi_checkins": 3})
    spec = (city if source == "city" else small_csv(visits)).model_dump_json()
    code = """
import sys, json, hashlib
from pathlib import Path
from pydantic import TypeAdapter
from refinepoi.dataset.spec import DatasetSpec
from refinepoi.dataset.stage import trajectories_of
folder = Path(sys.argv[1]); folder.mkdir()
if "rows.csv" in sys.argv[2]:
    file = Path(json.loads(sys.argv[2])["path"])
    head, *lines = file.read_text().splitlines()
    file.write_text("\\n".join([head, *sorted(set(lines), key=hash), ""]))
trajectories_of(TypeAdapter(DatasetSpec).validate_json(sys.argv[2])).save(folder)
print(*[hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.glob("*.parquet"))])
"""
    seen = set()
    for seed, threads in (("0", "1"), ("1", "2"), ("2", "1"), ("3", "2"), ("4", "3")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "POLARS_MAX_THREADS": threads}
        command = [sys.executable, "-c", code, str(tmp_path / seed), spec]
        seen.add(subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(seen) == 1


JUNK = [
    *(
        "\x00",
        "\ufeff",
        '"',
        ",",
        ";",
        "\t",
        "\r",
        "\n",
        "nan",
        "-inf",
        "1e400",
        "99999999999999999999",
        "181",
        "é",
        "😀",
    ),
    *("e\u0301", "=cmd", "<A_1,2>", "9999-12-31 23:59:59+00:00", "America/Nowhere", "9" * 400, "\x1b[31m", "\u2028"),
]


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One random damage: bytes flipped, cut out or put in, lines shuffled, doubled or with a field replaced."""
    if not data:
        return data
    at, kind = rng.randrange(len(data)), rng.randrange(7)
    lines = data.split(b"\n")
    line = rng.randrange(len(lines))
    match kind:
        case 0:
            return data[:at] + rng.choice(JUNK).encode() + data[at:]
        case 1:
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        case 2:
            return data[:at] + data[at + rng.randrange(1, 60) :]
        case 3:
            return data[:at]
        case 4:
            return b"\n".join([*lines[:line], *[lines[line]] * 3, *lines[line:]])
        case 5 if len(lines) > 1:
            return b"\n".join([lines[0], *rng.sample(lines[1:], len(lines) - 1)])
        case _:
            fields = lines[line].split(b",")
            fields[rng.randrange(len(fields))] = rng.choice(JUNK).encode()
            lines[line] = b",".join(fields)
            return b"\n".join(lines)


@pytest.mark.parametrize("trials", [40, pytest.param(5000, marks=pytest.mark.slow)])
def test_mutated_files_are_cleaned_or_refused(small_csv: Callable[..., Any], visits: list[str], trials: int) -> None:
    spec = small_csv(visits)
    file = Path(spec.path)
    good, rng = file.read_bytes(), random.Random(0)
    outcomes = {"made": 0, "refused": 0}
    for _ in range(trials):
        data = good
        for _ in range(rng.choice((1, 1, 2, 5, 20))):
            data = mutate(data, rng)
        file.write_bytes(data)
        spec.problems()
        try:
            made = trajectories_of(spec)
        except UserError as error:
            outcomes["refused"] += 1
            assert str(error)
        else:
            outcomes["made"] += 1
            report = made.facts["report"]
            lost = sum(report["bad"].values()) + sum(report["duplicates"].values())
            assert report["rows_read"] - lost == made.facts["counts"]["steps"][1]["checkins"]
    assert min(outcomes.values()) > trials / 20


def test_swapped_coordinates_are_warned_of(
    small_csv: Callable[..., Any], visits: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Store(tmp_path / "store", RUNTIME).get(make_trajectories, [small_csv(visits)])
    assert "off its longitude" not in caplog.text
    swapped = small_csv(visits, {"columns.latitude": "longitude", "columns.longitude": "latitude"})
    Store(tmp_path / "store", RUNTIME).get(make_trajectories, [swapped])
    (record,) = [r for r in caplog.records if "off its longitude" in r.getMessage()]
    assert record.levelname == "WARNING" and "180 of 180 rows" in record.getMessage()
    assert "swapped?" in record.getMessage()


def test_clocks_across_the_date_line_fit() -> None:
    import polars as pl

    from refinepoi.dataset.clean import remark_clocks
    from refinepoi.dataset.report import Report

    report = Report(0)
    rows = pl.DataFrame({"utc": [0, 0], "local": [12 * 3600, -12 * 3600], "longitude": [-176.0, 179.0]})
    remark_clocks(rows, report)
    assert report.remarks == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time_format": "%d.%m.%Y %H:%M%z", "cleaning.max_bad_share": 0.5}, r"Look at dataset\.time_format"),
        ({"protocol.min_trajectory": 99}, r"dataset\.protocol\.min_trajectory=99 .*; lower min_trajectory"),
        ({"protocol.min_user_checkins": 99}, r"dataset\.protocol\.min_user_checkins=99; lower them"),
    ],
)
def test_remedies_name_the_setting(
    small_csv: Callable[..., Any], visits: list[str], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        trajectories_of(small_csv(visits, changes))


def test_another_count_than_the_authors_is_told(
    small_csv: Callable[..., Any], visits: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    entry = {"file": "data.csv", "sets": "path", "urls": ["https://example.org/x"], "max_bytes": 9, "sha256": None}
    trajectories_of(small_csv(visits, {"remote": [entry | {"rows": 180}]}))
    assert "authors" not in caplog.text
    trajectories_of(small_csv(visits, {"remote": [entry | {"rows": 181}]}))
    assert "dataset.path: 180 rows; its authors count 181 in data.csv" in caplog.text


def test_data_cannot_command_a_terminal(small_csv: Callable[..., Any], visits: list[str]) -> None:
    lines = [line.rpartition(",")[0] + ",\x1b[31mnow\u202e" for line in visits]
    with pytest.raises(UserError) as caught:
        trajectories_of(small_csv(lines, {"cleaning.max_bad_share": 0.0}))
    assert "\\x1b[31mnow\\u202e" in str(caught.value) and str(caught.value).isprintable()
