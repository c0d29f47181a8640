"""Cross-city: trained on one data set, tested on another."""

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
    with pytest.raises(UserError, match=r"dataset\.train\.path: no folder '/none'"):
        check(["dataset=pair", "dataset@dataset.train=nyc", "dataset.train.path=/none"], multirun=False)
