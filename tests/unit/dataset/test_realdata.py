"""The published New York split and foreign files: counts the protocol must give. Needs REFINEPOI_DATA."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.dataset.realism import figures
from refinepoi.dataset.stage import trajectories_of

pytestmark = pytest.mark.realdata


@pytest.mark.parametrize(("samples", "validation", "test"), [("sthgcn", 1400, 1348), ("llm4poi", 1458, 1429)])
def test_nyc_samples(load_spec: Callable[..., Any], real_data: Path, samples: str, validation: int, test: int) -> None:
    made = trajectories_of(
        load_spec(
            "nyc", {"path": str(real_data / "nyc"), "protocol.samples": samples, "protocol.train_queries": "last"}
        )
    )
    splits = made.facts["counts"]["splits"]
    assert [splits[s]["samples"] for s in splits] == [10983, validation, test]
    assert [splits[s]["checkins"] for s in splits] == [83324, 9458, 9073]
    assert (made.users.height, made.pois.height) == (1047, 4980)
    assert made.facts["report"]["rows_read"] == 104037
    assert made.facts["report"]["bad"] == {} and made.facts["report"]["duplicates"] == {"exact duplicate, kept": 14}


def test_nyc_every_train_visit(load_spec: Callable[..., Any], real_data: Path) -> None:
    made = trajectories_of(load_spec("nyc", {"path": str(real_data / "nyc"), "protocol.train_queries": "every"}))
    assert made.facts["counts"]["splits"]["train"]["samples"] == 83324 - 10984
    assert made.facts["counts"]["splits"]["test"]["samples"] == 1348


def test_nyc_figures(load_spec: Callable[..., Any], real_data: Path) -> None:
    """The figures the simulated city is held against (docs/city.md)."""
    found = figures(trajectories_of(load_spec("nyc", {"path": str(real_data / "nyc")})))
    expected = {
        "return_share": 0.7761,
        "zipf_exponent": 1.2914,
        "radius_km_median": 5.0809,
        "user_frequency_acc1": 0.2438,
    }
    assert {k: found[k] for k in expected} == pytest.approx(expected, abs=2e-4)


def keyed(made: Trajectories) -> pl.DataFrame:
    rows = made.checkins
    return rows.select(
        "split",
        minute=pl.col("utc") // 60,
        user=made.users["user_id"].gather(rows["user"]),
        poi=made.pois["poi_id"].gather(rows["poi"]),
    ).unique()


def test_the_protocol_gives_nearly_the_published_rows(load_spec: Callable[..., Any], real_data: Path) -> None:
    file = real_data / "nyc_all" / "checkins.csv.gz"
    if not file.exists():
        pytest.skip("no nyc_all in the data folder")
    changes = {"path": str(file), "columns.timezone": None, "timezone": "America/New_York"}
    ours = keyed(trajectories_of(load_spec("csv", changes)))
    published = keyed(trajectories_of(load_spec("nyc", {"path": str(real_data / "nyc")})))
    visit = ["user", "poi", "minute"]
    assert published.height == 101_835
    assert ours.join(published, on=visit, how="anti").height < 0.005 * published.height
    assert published.join(ours, on=visit, how="anti").height < 0.003 * published.height
    assert published.join(ours, on=visit).filter(pl.col("split") != pl.col("split_right")).height < 50


def test_the_gnpr_preset_gives_the_published_number_of_cases(load_spec: Callable[..., Any], real_data: Path) -> None:
    """GNPR-SID's notebook (V2, userSplit) prints 841 validation and 791 test cases for New York."""
    file = real_data / "nyc_all" / "checkins.csv.gz"
    if not file.exists():
        pytest.skip("no nyc_all in the data folder")
    changes = {"path": str(file), "columns.timezone": None, "timezone": "America/New_York"}
    changes |= {f"protocol.{key}": value for key, value in load_spec("csv").protocol.model_dump().items()} | {
        "protocol.near_duplicate_minutes": 0.0,
        "protocol.isolation_hours": 0.0,
        "protocol.min_trajectory": 1,
        "protocol.split_rows": "all",
        "protocol.samples": "gnpr",
    }
    splits = trajectories_of(load_spec("csv", changes)).facts["counts"]["splits"]
    assert (splits["validation"]["samples"], splits["test"]["samples"]) == (841, 791)


def test_phoenix_by_column_mapping(load_spec: Callable[..., Any], real_data: Path) -> None:
    file = real_data / "phoenix" / "data_PHO.csv.gz"
    if not file.exists():
        pytest.skip("no phoenix in the data folder")
    columns = {"user": "User_id", "poi": "POI_id", "latitude": "Latitude", "longitude": "Longitude"}
    columns |= {"time": "TimeStamp", "category": "Category", "timezone": "Zone"}
    changes = {f"columns.{k}": v for k, v in columns.items()} | {"path": str(file)}
    spec = load_spec("csv", changes | {"time_format": "%a %b %d %H:%M:%S %z %Y"})
    assert spec.problems() == []
    made = trajectories_of(spec)
    assert made.facts["report"]["rows_read"] == 22619 and made.facts["report"]["bad"] == {}
    zones = (made.checkins["utc"] - made.checkins["local"]).value_counts().sort("count", descending=True)
    assert zones["utc"][0] == 420 * 60 and zones["count"][0] > 0.99 * made.checkins.height
