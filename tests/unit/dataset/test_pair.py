"""Cross-city: trained on one data set, tested on another."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.audit.leaks import split_findings
from refinepoi.core.errors import UserError
from refinepoi.dataset.pair import pair
from refinepoi.dataset.stage import trajectories_of
from refinepoi.launching.composition import check

SMALL = [f"dataset.{part}.city.{key}" for part in ("train", "test") for key in ("users=50", "pois=90", "days=70")]


def spec(*words: str) -> Any:
    return check(["dataset=pair", *SMALL, *words], multirun=False).jobs[0].experiment.dataset


@pytest.fixture(scope="module")
def parts() -> tuple[Trajectories, Trajectories]:
    both = spec()
    return trajectories_of(both.train), trajectories_of(both.test)


def named(data: Trajectories, rows: pl.DataFrame) -> list[tuple[Any, ...]]:
    users, pois = data.users["user_id"].gather(rows["user"]), data.pois["poi_id"].gather(rows["poi"])
    return sorted(zip(users, pois, rows["utc"], rows["local"], strict=True))


def test_rows_and_samples_of_both(parts: tuple[Trajectories, Trajectories]) -> None:
    train, test = parts
    made = trajectories_of(spec())
    splits = {n: made.checkins.filter(pl.col("split") == n) for n in range(3)}
    first = train.checkins.filter(pl.col("split") < 2)
    label = lambda rows, name: [(f"{name}/{u}", f"{name}/{p}", *rest) for u, p, *rest in rows]  # noqa: E731
    mine = sorted(named(made, splits[0]) + named(made, splits[1]))
    assert mine == sorted(label(named(train, first), "city-train"))
    assert named(made, splits[2]) == sorted(label(named(test, test.checkins), "city-test"))
    for split, data in (("train", train), ("validation", train), ("test", test)):
        asked = [part.queries[part.query_rows(split)] for part in (made, data)]
        targets = [
            sorted(zip(part.pois["poi_id"].gather(q["target"]), part.checkins["utc"].gather(q["row"]), strict=True))
            for part, q in zip((made, data), asked, strict=True)
        ]
        name = "city-test" if split == "test" else "city-train"
        assert targets[0] == sorted((f"{name}/{poi}", utc) for poi, utc in targets[1])


def test_the_test_city_is_not_in_training(parts: tuple[Trajectories, Trajectories]) -> None:
    train, test = parts
    made = pair(train, test)
    assert made.pois["in_train"].to_list() == [True] * train.pois.height + [False] * test.pois.height
    trained = made.checkins.filter(pl.col("split") < 2)
    assert int(trained["poi"].max()) < train.pois.height <= int(made.queries["target"].max())
    assert set(made.pois["category"][train.pois.height :]) == set(test.pois["category"])
    assert made.facts["counts"]["shared_categories"] > 20 and made.facts["protocol"]["split"] == "cross-city"
    assert not set(made.pois["poi_id"][: train.pois.height]) & set(made.pois["poi_id"][train.pois.height :])
    assert np.isfinite(made.pois.select("latitude", "longitude").to_numpy()).all()
    status = {finding.name: finding.status for finding in split_findings(made)}
    assert status.pop("every user has training check-ins") == "not applicable"
    assert status.pop("no training check-in after the first test target") == "not applicable"
    assert set(status.values()) == {"passed"}


def test_parts_are_options_of_their_own(tmp_path: Any) -> None:
    made = spec("dataset.test.seed=5", "dataset/protocol@dataset.test.protocol=llm4poi")
    assert (made.train.seed, made.test.seed) == (0, 5)
    assert (made.train.protocol.samples, made.test.protocol.samples) == ("sthgcn", "llm4poi")
    facts = trajectories_of(made).facts
    assert facts["protocol"]["samples"] == "sthgcn -> llm4poi" and facts["protocol"]["min_user_checkins"] == 10
    lost = [trajectories_of(part).facts["counts"]["unseen"] for part in (made.train, made.test)]
    assert facts["counts"]["unseen"] == [lost[0][0], lost[1][1]] and lost[1][1]["split"] == "test"
    with pytest.raises(UserError, match=r"dataset\.train\.path: no folder '/none'"):
        check(["dataset=pair", "dataset@dataset.train=nyc", "dataset.train.path=/none"], multirun=False)


def check_ins(file: Path, place: str, header: str) -> Path:
    """180 visits of 3 users at 5 places, an hour apart, then a night."""
    lines = [header]
    for n in range(180):
        user, step = n % 3, n // 3
        clock = f"2012-05-{step // 10 + 1:02} {8 + step % 10:02}:{user:02}:00+00:00"
        split = f"{user}_{step // 10}"
        poi = step * (user + 1) % 5
        lines.append(f"{place}u{user},{place}p{poi},c{poi},Kind {poi},40.{poi},-74.{poi},-240,{clock},x,{split}")
    file.write_text("\n".join(lines) + "\n")
    return file


HEADER = "user_id,POI_id,POI_catid,POI_catname,latitude,longitude,timezone,UTC_time,local_time,trajectory_id"


@pytest.fixture
def published(tmp_path: Path) -> list[str]:
    """Words that train on a published split and test on anybody's file, as docs/data.md has them."""
    whole = check_ins(tmp_path / "all.csv", "", HEADER).read_text().splitlines()
    for name, part in (("train", whole[1:121]), ("val", whole[121:151]), ("test", whole[151:])):
        (tmp_path / f"NYC_{name}.csv").write_text("\n".join([HEADER, *part]) + "\n")
    loose = ["min_poi_checkins=1", "min_user_checkins=1", "min_trajectory=2", "gap_hours=4.0"]
    return [
        "dataset@dataset.train=nyc",
        f"dataset.train.path={tmp_path}",
        "dataset@dataset.test=csv",
        *(f"dataset.test.protocol.{setting}" for setting in loose),
    ]


def test_a_published_split_and_a_file(published: list[str], tmp_path: Path) -> None:
    other = check_ins(tmp_path / "other.csv", "other ", HEADER)
    words = ["dataset=pair", *published, f"dataset.test.path={other}"]
    made = trajectories_of(check(words, multirun=False).jobs[0].experiment.dataset)
    assert made.facts["protocol"]["dataset"] == "nyc -> csv"
    assert made.pois["in_train"].to_list() == [True] * 5 + [False] * 5 and made.query_rows("test").size


def test_the_data_trained_on_is_not_tested_on(published: list[str], tmp_path: Path) -> None:
    same = r"dataset\.test: is the data of dataset\.train"
    with pytest.raises(UserError, match=same):
        spec("dataset.test.seed=0")
    with pytest.raises(UserError, match=same):
        spec("dataset.train.cities=3", "dataset.test.seed=2")
    spec("dataset.train.cities=3", "dataset.test.seed=3")
    with pytest.raises(UserError, match=same):
        words = ["dataset=pair", *published, f"dataset.test.path={tmp_path / 'NYC_train.csv'}"]
        check(words, multirun=False)
    again = ["dataset=pair", *published, f"dataset.test.path={tmp_path / 'all.csv'}"]  # other bytes, the same visits
    with pytest.raises(UserError, match=r"dataset\.test: \d+ of 180 check-ins are in dataset\.train, too"):
        trajectories_of(check(again, multirun=False).jobs[0].experiment.dataset)
