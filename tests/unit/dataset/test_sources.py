"""Each option reads its format. Formats not at hand stand here as small files after their public description."""

import gzip
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.io import savemat

from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import DataError
from refinepoi.dataset.lbsn2vec import made_up
from refinepoi.dataset.regions import inside
from refinepoi.dataset.stage import trajectories_of

LOOSE = {
    "cleaning.max_bad_share": 1.0,
    "protocol.near_duplicate_minutes": 0.0,
    "protocol.min_poi_checkins": 1,
    "protocol.min_user_checkins": 1,
    "protocol.min_trajectory": 2,
    "protocol.gap_hours": 4.0,
    "protocol.isolation_hours": 0.0,
    "protocol.split_rows": "kept",
    "protocol.train_queries": "last",
}
VISITS = [
    (f"u{n % 3}", f"p{(n // 3 * (n % 3 + 1)) % 5}", datetime(2012, 5, 1 + n // 30, 8 + n // 3 % 10, n % 3, tzinfo=UTC))
    for n in range(180)
]
"""180 visits of 3 users at 5 places: 10 an hour apart, then a night."""


def store(folder: Path, name: str, lines: list[str], encoding: str = "utf-8", ending: str = "") -> Path:
    content = ("\n".join(lines) + "\n").encode(encoding)
    file = folder / f"{name}{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(f"folder/{name}", content)
            archive.writestr("folder/readme.txt", b"about")
    else:
        file.write_bytes(gzip.compress(content) if ending == ".gz" else content)
    return file


def first_row(made: Trajectories) -> dict[str, Any]:
    row = made.checkins.row(0, named=True)
    return row | made.pois.row(row["poi"], named=True) | {"user_id": made.users["user_id"][row["user"]]}


@pytest.mark.parametrize("city", ["NYC", "TKY"])
@pytest.mark.parametrize("ending", ["", ".gz", ".zip"])
def test_tsmc2014(load_spec: Callable[..., Any], tmp_path: Path, city: str, ending: str) -> None:
    """8 tab-separated columns, Latin-1, no first line (dataset_TSMC2014_readme.txt)."""
    lines = [
        f"{u}\t{p}\tc{p[1]}\tCafé {p[1]}\t40.{p[1]}\t-74.{p[1]}\t-240\t{t:%a %b %d %H:%M:%S +0000 %Y}"
        for u, p, t in VISITS
    ]
    file = store(tmp_path, f"dataset_TSMC2014_{city}.txt", lines, "latin-1", ending)
    spec = load_spec(f"{city.lower()}_raw", LOOSE | {"path": str(file)})
    assert spec.problems() == []
    made = trajectories_of(spec)
    row = first_row(made)
    assert made.facts["report"]["rows_read"] == 180 and made.facts["report"]["bad"] == {}
    assert (row["user_id"], row["poi_id"], row["category"], row["category_id"]) == ("u0", "p0", "Café 0", "c0")
    assert row["utc"] == datetime(2012, 5, 1, 8, tzinfo=UTC).timestamp() and row["local"] == row["utc"] - 4 * 3600


@pytest.mark.parametrize("option", ["gowalla", "brightkite"])
def test_snap(load_spec: Callable[..., Any], tmp_path: Path, option: str) -> None:
    """user, ISO time ending in Z, latitude, longitude, location id; tabs, no first line (SNAP's pages)."""
    lines = [f"{u}\t{t.replace(year=2010):%Y-%m-%dT%H:%M:%SZ}\t30.{p[1]}\t-97.{p[1]}\t{p}" for u, p, t in VISITS]
    lines.append("u1\t2010-05-01T00:00:00Z\t0.0\t0.0\t00000000000000000000000000000000")
    spec = load_spec(option, LOOSE | {"path": str(store(tmp_path, "checkins.txt", lines, ending=".gz"))})
    assert spec.problems() == []
    made = trajectories_of(spec)
    assert made.facts["report"]["bad"] == {"coordinate is (0, 0)": 1}
    assert set((made.checkins["utc"] - made.checkins["local"]).to_list()) == {6 * 3600}  # -97 degrees: 6 hours
    assert set(made.pois["category"]) == {"unknown"}
    assert made.checkins["utc"][0] == datetime(2010, 5, 1, 8, tzinfo=UTC).timestamp()


SPOTS = [
    "id,created_at,lng,lat,photos_count,checkins_count,users_count,radius_meters,highlights_count,items_count,"
    "max_items_count,spot_categories",
    "p0,2008-12-05T19:44:30Z,-118.2,34.0,0,9,9,35,0,10,10,\"[{'url': '/categories/89', 'name': 'Craft Shop'}]\"",
    "p1,x,-118.2,34.0,0,9,9,35,0,10,10,"
    "\"[{'url': '/categories/17', 'name': \"\"Women's Wear\"\"}, {'url': '/c/1', 'name': 'B'}]\"",
    *(f"p{n},x,-118.2,34.0,0,9,9,35,0,10,10,\"[{{'url': '/categories/9', 'name': 'Park'}}]\"" for n in (2, 3)),
]


def test_california_and_nevada(load_spec: Callable[..., Any], tmp_path: Path) -> None:
    """Gowalla's check-ins, categories from gowalla_spots_subset1.csv, inside the two states."""
    places = {"p0": (34.05, -118.24), "p1": (36.17, -115.14), "p2": (37.77, -122.42), "p3": (45.52, -122.68)}
    lines = [
        f"{u}\t{t.replace(year=2010):%Y-%m-%dT%H:%M:%SZ}\t{places.get(p, (34.0, -118.2))[0]}\t"
        f"{places.get(p, (34.0, -118.2))[1]}\t{p}"
        for u, p, t in VISITS
    ]
    changes = {
        "path": str(store(tmp_path, "checkins.txt", lines)),
        "places.path": str(store(tmp_path, "spots.csv", SPOTS)),
    }
    spec = load_spec("ca", LOOSE | changes)
    assert spec.problems() == []
    made = trajectories_of(spec)
    assert dict(made.pois.select("poi_id", "category").rows()) == {
        "p0": "Craft Shop",
        "p1": "Women's Wear",
        "p2": "Park",
    }
    assert made.pois["category_id"].to_list() == ["89", "17", "9"]
    left_out = made.facts["report"]["left_out"]
    assert left_out == {  # p4 has no line in the file of places, p3 lies in Oregon
        "POI that the place file does not name": sum(p == "p4" for _, p, _ in VISITS),
        "outside california_nevada": sum(p == "p3" for _, p, _ in VISITS),
    }
    assert set((made.checkins["utc"] - made.checkins["local"]).to_list()) == {7 * 3600}  # Pacific summer time


def test_the_outline_of_california_and_nevada() -> None:
    cities = {
        "Los Angeles": (34.05, -118.24), "San Francisco": (37.77, -122.42), "San Diego": (32.72, -117.16),
        "Sacramento": (38.58, -121.49), "Las Vegas": (36.17, -115.14), "Reno": (39.53, -119.81),
        "Portland": (45.52, -122.68), "Phoenix": (33.45, -112.07), "Tijuana": (32.50, -117.02),
        "Salt Lake City": (40.76, -111.89), "nowhere": (float("nan"), -118.0),
    }  # fmt: skip
    latitude, longitude = np.array(list(cities.values())).T
    found = inside("california_nevada", latitude, longitude)
    assert [name for name, there in zip(cities, found, strict=True) if there] == list(cities)[:6]


@pytest.mark.parametrize("ending", [".csv", ".parquet", "folder"])
def test_massive_steps(load_spec: Callable[..., Any], tmp_path: Path, ending: str) -> None:
    """Columns of the `tabular` configuration on the Hub; times are local, places may be missing."""
    table = pl.DataFrame(
        {
            "trail_id": [f"2012_{n}" for n in range(180)],
            "user_id": [int(u[1]) for u, _, _ in VISITS],
            "venue_id": [int(p[1]) for _, p, _ in VISITS],
            "latitude": [None if n == 5 else 40.0 + int(p[1]) / 10 for n, (_, p, _) in enumerate(VISITS)],
            "longitude": [-74.0 - int(p[1]) / 10 for _, p, _ in VISITS],
            "name": ["Joe's, Bar" for _ in VISITS],
            "venue_category": [f"Kind {p[1]}" for _, p, _ in VISITS],
            "venue_category_id": [f"c{p[1]}" for _, p, _ in VISITS],
            "timestamp": [f"{t:%Y-%m-%d %H:%M:%S}" for _, _, t in VISITS],
        }
    )
    path = tmp_path / (f"new_york_checkins{ending}" if ending != "folder" else "tabular")
    if ending == ".csv":
        table.write_csv(path)
    elif ending == ".parquet":
        table.write_parquet(path)
    else:
        path.mkdir()
        for n, part in enumerate((table.head(100), table.slice(100))):
            part.write_parquet(path / f"train-{n:05}.parquet")
    spec = load_spec("massive_steps", LOOSE | {"path": str(path)})
    assert spec.problems() == []
    made = trajectories_of(spec)
    assert made.facts["report"]["rows_read"] == 180
    assert made.facts["report"]["bad"] == {"coordinate is no number": 1}
    assert first_row(made)["local"] == datetime(2012, 5, 1, 8, tzinfo=UTC).timestamp()
    assert first_row(made)["utc"] == datetime(2012, 5, 1, 12, tzinfo=UTC).timestamp()  # New York, summer
    assert set(spec.fingerprint) == (
        {"path"} if ending != "folder" else {"path/train-00000.parquet", "path/train-00001.parquet"}
    )


def lbsn_files(folder: Path, checkins: Any = None) -> dict[str, str]:
    """selected_checkins (user, hour of the week, venue, category, from 1), ids as cell arrays; raw_POIs.txt, tabs."""
    hours = [(n // 3 // 10 % 7 * 24 + 8 + n // 3 % 10) + 1 for n in range(180)]
    table = [(n % 3 + 1, hours[n], int(p[1]) + 1, 1) for n, (_, p, _) in enumerate(VISITS)]
    savemat(
        folder / "dataset_connected_NYC.mat",
        {
            "selected_checkins": np.array(table if checkins is None else checkins, dtype=np.float64),
            "selected_users_IDs": np.array([[19], [54], [58]]),
            "selected_venue_IDs": np.array([f"4b{n}" for n in range(5)], dtype=object)[:, None],
            "friendship_old": np.array([[1, 2]]),
        },
    )
    venues = [f"4b{n}\t40.{n}\t-74.{n}\tCafé\tUS" for n in range(5)]
    (folder / "raw_POIs.txt").write_text("\n".join(venues) + "\n", encoding="utf-8")
    return {"path": str(folder / "dataset_connected_NYC.mat"), "places.path": str(folder / "raw_POIs.txt")}


def test_lbsn2vec(load_spec: Callable[..., Any], tmp_path: Path) -> None:
    spec = load_spec("lbsn2vec", LOOSE | lbsn_files(tmp_path))
    assert spec.problems() == []
    made = trajectories_of(spec)
    row = first_row(made)
    assert made.facts["report"]["rows_read"] == 180 and made.users.height == 3
    assert (row["user_id"], row["poi_id"], row["category"], row["category_id"]) == ("19", "4b0", "Café", "1")
    assert row["local"] == row["utc"] == datetime(2012, 4, 2, 8, tzinfo=UTC).timestamp()
    assert made.facts["protocol"]["split"] == "leave one out"
    assert [r["samples"] for r in made.facts["counts"]["splits"].values()] == [3, 3, 3]


def test_weeks_are_made_up_where_the_hour_falls_back() -> None:
    user, hour = np.array([1, 2, 1, 1, 2, 1]), np.array([100, 5, 120, 30, 5, 31])
    assert (made_up(user, hour) // 3600).tolist() == [99, 4, 119, 168 + 29, 4, 168 + 30]


def test_visits_of_one_hour_keep_their_order(load_spec: Callable[..., Any], tmp_path: Path) -> None:
    user, hour = np.array([1, 2, 1, 1, 1, 2]), np.array([9, 9, 9, 9, 10, 9])
    assert made_up(user, hour).tolist() == [8 * 3600 + s for s in (0, 0, 1, 2, 3600, 1)]
    many = np.full(5000, 168)
    assert made_up(np.ones(5000, int), many).max() == 168 * 3600 - 1, "never in the next hour"
    rows = [(1, 24 * day + 9, venue, 1) for day in range(6) for venue in (5, 3, 4, 1)]
    spec = load_spec("lbsn2vec", LOOSE | lbsn_files(tmp_path, rows) | {"cleaning.listed": 0})
    made = trajectories_of(spec)
    assert made.pois["poi_id"].gather(made.checkins["poi"]).to_list() == ["4b4", "4b2", "4b3", "4b0"] * 6


@pytest.mark.parametrize(("content", "message"), [(b"", "cannot be read"), (b"MATLAB 5.0" * 90, "cannot be read")])
def test_a_damaged_mat_is_refused(load_spec: Callable[..., Any], tmp_path: Path, content: bytes, message: str) -> None:
    files = lbsn_files(tmp_path)
    Path(files["path"]).write_bytes(content)
    with pytest.raises(DataError, match=message):
        trajectories_of(load_spec("lbsn2vec", LOOSE | files))


def test_a_mat_of_another_shape_is_refused(load_spec: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"selected_checkins is float64 \(2, 3\), expected numbers \[n, 4\]"):
        trajectories_of(load_spec("lbsn2vec", LOOSE | lbsn_files(tmp_path, [[1, 2, 3], [4, 5, 6]])))


@pytest.mark.parametrize("city", ["nyc", "tky"])
@pytest.mark.parametrize("how", ["folder", "zip"])
def test_published_split_files(load_spec: Callable[..., Any], tmp_path: Path, city: str, how: str) -> None:
    header = "user_id,POI_id,POI_catid,POI_catname,latitude,longitude,timezone,UTC_time,local_time,trajectory_id"
    parts: list[list[str]] = [[], [], []]
    for n, (u, p, t) in enumerate(VISITS):
        split = 0 if n < 120 else 1 + (n >= 150)
        parts[split].append(f"{u},{p},c,C,40.{p[1]},-74.{p[1]},-240,{t:%Y-%m-%d %H:%M:%S+00:00},x,{u}_{n // 30}")
    names = [f"{city.upper()}_{split}.csv" for split in ("train", "val", "test")]
    for name, lines in zip(names, parts, strict=True):
        store(tmp_path, name, [header, *lines])
    path = tmp_path
    if how == "zip":
        path = tmp_path / "split.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.write(tmp_path / name, f"data/{name}")
    spec = load_spec(city, {"path": str(path)})
    assert spec.problems() == []
    made = trajectories_of(spec)
    assert [r["checkins"] for r in made.facts["counts"]["splits"].values()] == [120, 30, 30]
    assert made.facts["protocol"]["dataset"] == city and made.facts["protocol"]["split"] == "published"
