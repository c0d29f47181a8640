import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from refinepoi.dataset.spec import DatasetSpec


def test_a_dump_is_read_back(load_spec: Callable[..., Any], small_csv: Callable[..., Any], visits: list[str]) -> None:
    for spec in (load_spec("city"), load_spec("nyc", {"path": "x"}), small_csv(visits)):
        assert TypeAdapter(DatasetSpec).validate_json(spec.model_dump_json()) == spec


def test_changed_data_is_another_spec(small_csv: Callable[..., Any], visits: list[str]) -> None:
    before = small_csv(visits).model_dump(mode="json")
    assert before == small_csv(visits).model_dump(mode="json")
    assert before != small_csv([*visits, visits[0]]).model_dump(mode="json")
    assert set(before["fingerprint"]) == {"path"}


def places(file: Path) -> dict[str, Any]:
    columns = {"poi": "id", "latitude": None, "longitude": None, "category": "kind", "category_id": None}
    settings = {"separator": ",", "encoding": "utf-8", "header": None, "category_format": "plain", "required": False}
    return {"path": str(file), "columns": columns, **settings}


def test_files_of_one_name_are_told_apart(small_csv: Callable[..., Any], visits: list[str], tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    second = tmp_path / "b" / "rows.csv"
    second.write_text("id,kind\np0,Bar\n")
    spec = small_csv(visits, {"places": places(second)})
    before = spec.fingerprint
    assert set(before) == {"path", "places.path"} and spec.problems() == []
    second.write_text("id,kind\np0,Park\n")
    after = small_csv(visits, {"places": places(second)}).fingerprint
    assert after["path"] == before["path"] and after["places.path"] != before["places.path"]
    last = small_csv([*visits, visits[0]], {"places": places(second)}).fingerprint
    assert last["path"] != after["path"] and last["places.path"] == after["places.path"]


@pytest.mark.parametrize(
    ("option", "key", "value"),
    [
        ("city", "city.active_share", 1.0),
        ("city", "city.start", "yesterday"),
        ("city", "protocol.validation_share", 0.2),
        ("city", "protocol.gap_hours", 0.0),
        ("city", "protocol.samples", "getnext"),
        ("city", "protocol.split", "last_visit"),
        ("city", "protocol.activity_groups", [0.7, 0.3]),
        ("city", "protocol.activity_groups", [0.0]),
        ("city", "cleaning.max_bad_share", 1.5),
        ("csv", "columns.user", None),
        ("nyc", "path", ""),
    ],
)
def test_wrong_values_are_refused(load_spec: Callable[..., Any], option: str, key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        load_spec(option, {"path": "x", key: value} if option != "city" else {key: value})


def test_missing_nyc_files_are_told(load_spec: Callable[..., Any], tmp_path: Path) -> None:
    assert load_spec("nyc", {"path": str(tmp_path / "none")}).problems() == [
        f"dataset.path: no folder '{tmp_path / 'none'}'; give the folder that holds NYC_train.csv, NYC_val.csv and "
        "NYC_test.csv, plain or .gz, or the .zip of all three"
    ]
    (tmp_path / "NYC_train.csv").touch()
    (tmp_path / "NYC_test.csv.gz").touch()
    (problem,) = load_spec("nyc", {"path": str(tmp_path / "NYC_test.csv.gz")}).problems()
    assert "NYC_test.csv.gz' is one file, no .zip" in problem
    spec = load_spec("nyc", {"path": str(tmp_path)})
    (problem,) = spec.problems()
    assert problem.startswith(f"dataset.path: no NYC_val.csv in '{tmp_path}'")
    (tmp_path / "NYC_val.csv").touch()
    assert spec.problems() == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"path": "nowhere.csv"}, "dataset.path: no file 'nowhere.csv'"),
        ({"columns.user": "person"}, "dataset.columns.user: no column 'person'"),
        ({"columns.category_id": "kind"}, "dataset.columns.category_id: no column 'kind'"),
        ({"timezone": "0"}, "dataset.timezone: give this (all rows) or dataset.columns.timezone"),
        ({"columns.timezone": None}, "dataset.timezone: give this (all rows) or dataset.columns.timezone"),
        ({"columns.timezone": None, "timezone": "America/Nowhere"}, "dataset.timezone: no zone 'America/Nowhere'"),
        ({"header": ["a", "b"]}, "dataset.columns.user: no column 'user_id'"),
        ({"columns.timezone": "zone"}, "dataset.columns.timezone: no column 'zone'"),
        ({"columns.latitude": "longitude"}, "dataset.columns.longitude: is column 'longitude', as dataset.columns.lat"),
        ({"columns.poi": "user_id"}, "dataset.columns.poi: is column 'user_id', as dataset.columns.user"),
        ({"time_is": "local"}, "dataset.time_is: local, but times of dataset.time_format='%Y-%m-%d %H:%M:%S%z' tell"),
        ({"time_is": "local", "time_format": "epoch"}, "dataset.time_is: local"),
        ({"time_is": "local", "time_format": "%Y-%m-%dT%H:%M:%SZ"}, "dataset.time_is: local"),
    ],
)
def test_problems_of_a_csv(
    small_csv: Callable[..., Any], visits: list[str], changes: dict[str, Any], problem: str
) -> None:
    assert any(line.startswith(problem) for line in small_csv(visits, changes).problems())


def test_no_problems(small_csv: Callable[..., Any], load_spec: Callable[..., Any], visits: list[str]) -> None:
    assert load_spec("city").problems() == []
    assert small_csv(visits).problems() == []
    assert small_csv(visits, {"columns.timezone": None, "timezone": "America/Phoenix"}).problems() == []
    assert small_csv(visits, {"columns.timezone": None, "timezone": "-420"}).problems() == []


def test_remedies_are_named(small_csv: Callable[..., Any], visits: list[str], tmp_path: Path) -> None:
    (problem,) = small_csv(visits, {"columns.timezone": "zone"}).problems()
    assert "dataset.columns.timezone=null dataset.timezone=" in problem
    (problem,) = small_csv(visits, {"places": places(tmp_path / "rows.csv")}).problems()
    assert problem.startswith("dataset.places.path: is the file of check-ins")
    spec = small_csv(visits, {"time_is": "local", "time_format": "%Y-%m-%d %H:%M:%S"})
    assert spec.problems() == []


def test_a_doubled_column_name_is_a_problem(small_csv: Callable[..., Any], visits: list[str]) -> None:
    header = "user_id,POI_id,POI_catid,POI_catname,latitude,latitude,timezone,UTC_time"
    (problem,) = small_csv(visits, {"columns.longitude": "latitude"}, header).problems()[:1]
    assert problem.startswith("dataset.header: ") and "has two columns 'latitude'" in problem


def test_a_published_split_takes_no_preset(load_spec: Callable[..., Any]) -> None:
    with pytest.raises(ValidationError, match=r"a published split is taken as it is"):
        load_spec("nyc", {"path": "x", "protocol.split": "time"})


def test_an_unreadable_file_is_a_problem(small_csv: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "x.csv.gz").write_bytes(b"no gzip")
    (problem,) = small_csv([], {"path": str(tmp_path / "x.csv.gz")}).problems()
    assert problem.startswith("dataset.path: ") and "cannot be read (Not a gzipped file" in problem
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.csv", b"a")
        archive.writestr("../b.csv", b"b")
    (problem,) = small_csv([], {"path": str(tmp_path / "x.zip")}).problems()
    assert "leads out of the archive" in problem
    (tmp_path / "x.csv").write_bytes(b"\xff\n")
    (problem,) = small_csv([], {"path": str(tmp_path / "x.csv")}).problems()
    assert "cannot be read as utf-8 text; check dataset.encoding" in problem


def test_the_spec_is_light(root: Path) -> None:
    code = (
        "import sys, refinepoi.dataset.spec, refinepoi.dataset.stage;"
        "print([m for m in ('polars', 'torch', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "['polars']"  # artifacts/trajectories.py reads parquet; the spec alone imports none
    alone = code.replace(", refinepoi.dataset.stage", "")
    out = subprocess.run([sys.executable, "-c", alone], cwd=root, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
