"""The presets of conf/dataset/protocol, composed as the command line composes them."""

from pathlib import Path
from typing import Any

import pytest

from refinepoi.core.errors import UserError
from refinepoi.dataset.stage import trajectories_of
from refinepoi.launching.composition import check

PRESETS = {
    "getnext": {"samples": "sthgcn", "min_trajectory": 3, "split_rows": "kept", "near_duplicate_minutes": 10.0},
    "sthgcn": {"samples": "sthgcn", "min_trajectory": 2, "split_rows": "all", "near_duplicate_minutes": 0.0},
    "llm4poi": {"samples": "llm4poi", "min_trajectory": 2, "split_rows": "all", "near_duplicate_minutes": 0.0},
    "gnpr": {"samples": "gnpr", "min_trajectory": 1, "isolation_hours": 0.0, "split": "time"},
    "leave_one_out": {"samples": "gnpr", "split": "last_visit"},
}


def protocol(*words: str) -> Any:
    return check(list(words), multirun=False).jobs[0].experiment.dataset.protocol


def test_each_preset_is_listed_here(root: Path) -> None:
    assert {file.stem for file in (root / "conf" / "dataset" / "protocol").glob("*.yaml")} == {*PRESETS, "published"}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_what_its_paper_does(name: str) -> None:
    found = protocol(f"dataset/protocol={name}").model_dump()
    assert {key: found[key] for key in PRESETS[name]} == PRESETS[name]
    assert (found["min_poi_checkins"], found["min_user_checkins"], found["gap_hours"]) == (10, 10, 24.0)


def test_a_published_split_takes_no_preset() -> None:
    with pytest.raises(UserError, match=r"dataset\.protocol: a published split .* dataset\.protocol\.samples="):
        protocol("dataset=nyc", "dataset.path=x", "dataset/protocol=getnext")


def test_single_settings_go_before_the_preset() -> None:
    assert protocol("dataset/protocol=llm4poi", "dataset.protocol.min_trajectory=5").min_trajectory == 5


@pytest.mark.parametrize("name", PRESETS)
def test_the_city_comes_through_every_preset(name: str) -> None:
    small = [f"dataset/protocol={name}", "dataset.city.users=60", "dataset.city.pois=120"]
    made = trajectories_of(check(small, multirun=False).jobs[0].experiment.dataset)
    assert all(row["samples"] for row in made.facts["counts"]["splits"].values())
    assert sum(made.facts["counts"]["activity"]) == made.users.height and len(made.facts["counts"]["activity"]) == 3
