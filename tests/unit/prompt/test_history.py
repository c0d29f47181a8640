import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from prompt_specs import SPECS

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.history import History
from refinepoi.artifacts.profiles import TABLE as PROFILES
from refinepoi.artifacts.profiles import Profiles
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import UserError
from refinepoi.evidence.count import count
from refinepoi.evidence.spec import EvidenceSpec
from refinepoi.prompt.write import write_all

CONF = Path(__file__).parents[3] / "conf"


def rows_seen(history: History, trajectories: Trajectories, query: int) -> list[int]:
    """Rows of `checkins` behind the places a query sees."""
    order = np.lexsort((trajectories.checkins["utc"].to_numpy(), trajectories.checkins["user"].to_numpy()))
    return sorted(order[history.visible(query)].tolist())


def seen(t: Trajectories, query: int, history: str, blackout_seconds: float) -> list[int]:
    """The protocol in plain words, row by row."""
    row, user, trip, split = t.queries.select("row", "user", "trajectory", "split").row(query)
    now = t.checkins["utc"][row]
    mine = t.checkins.with_row_index("n").filter((pl.col("user") == user) & (pl.col("utc") < now))
    begin = mine.filter(pl.col("trajectory") == trip)["utc"].min()
    until = begin - blackout_seconds if split == 0 and begin is not None else now
    if history == "train_prefix":
        mine = mine.filter((pl.col("trajectory") == trip) | ((pl.col("split") == 0) & (pl.col("utc") < until)))
    return mine["n"].to_list()


@pytest.mark.parametrize("by_time", [True, False])
@pytest.mark.parametrize(("history", "days"), [("all", 0.0), ("train_prefix", 0.0), ("train_prefix", 5.0)])
def test_visible_visits_are_those_of_the_protocol(
    make_world: Callable[..., Any], history: str, days: float, by_time: bool
) -> None:
    world = make_world(history=history, blackout=days * 86400, by_time=by_time)
    read = History.of(world.trajectories, world.evidence)
    for query in range(world.trajectories.queries.height):
        assert rows_seen(read, world.trajectories, query) == seen(world.trajectories, query, history, days * 86400)


@pytest.mark.parametrize("by_time", [True, False])
@pytest.mark.parametrize(("history", "days"), [("all", 0.0), ("train_prefix", 0.0), ("train_prefix", 5.0)])
def test_profiles_know_no_visit_of_the_blackout(
    make_world: Callable[..., Any], history: str, days: float, by_time: bool
) -> None:
    world = make_world(history=history, blackout=days * 86400, by_time=by_time)
    t, first = world.trajectories, int(world.trajectories.checkins["utc"].min())
    daily = [(user, first + day * 86400, f"of day {day}.") for user in range(t.users.height) for day in range(30)]
    profiles = Profiles(pl.DataFrame(daily, PROFILES, orient="row"), {})
    inputs = t, world.evidence, world.semantic_ids
    prompts = write_all(SPECS["question"], *inputs, lambda items, unit: list(items), profiles)
    for query, text in enumerate(prompts.table["prompt"]):
        row, trip = t.queries.select("row", "trajectory").row(query)
        older = t.checkins[seen(t, query, history, days * 86400)].filter(pl.col("trajectory") != trip)["utc"].to_list()
        until = t.checkins["utc"][row] if history == "all" else max(older) + 1 if older else 0
        told = re.findall(r"About this person: of day (\d+)", text)
        assert told == [str((until - first) // 86400)] * (until >= first), query


def test_the_settings_differ(make_world: Callable[..., Any]) -> None:
    counts = []
    for history, days in (("all", 0.0), ("train_prefix", 0.0), ("train_prefix", 5.0)):
        world = make_world(history=history, blackout=days * 86400)
        read = History.of(world.trajectories, world.evidence)
        counts.append(sum(len(read.visible(q)) for q in range(world.trajectories.queries.height)))
    assert counts[0] > counts[1] > counts[2] > 0


def test_visits_at_the_very_second_of_the_target_are_not_seen(make_world: Callable[..., Any]) -> None:
    world = make_world()
    t = world.trajectories
    query = int(t.query_rows("test")[-1])
    row, user = t.queries.select("row", "user").row(query)
    before = max(n for n in range(row) if t.checkins["user"][n] == user)
    moved = t.checkins.with_row_index("n").with_columns(
        pl.when(pl.col("n").is_between(before, row)).then(t.checkins["utc"][row]).otherwise("utc").alias("utc")
    )
    twin = Trajectories(moved.drop("n"), t.pois, t.users, t.queries, t.facts)
    places = History.of(twin, world.evidence).visible(query)
    assert len(places) == len(History.of(t, world.evidence).visible(query)) - 1


def test_train_prefix_needs_the_counts_of_the_evidence(make_world: Callable[..., Any]) -> None:
    e = make_world(history="train_prefix").evidence
    without = Evidence(e.candidates, e.counters, e.names, e.context[:, :0], (), e.facts)
    with pytest.raises(UserError, match="needs"):
        History.of(make_world().trajectories, without)


def test_unknown_settings_are_refused(make_world: Callable[..., Any]) -> None:
    e = make_world().evidence
    odd = Evidence(e.candidates, e.counters, e.names, e.context, e.context_names, {"history": "both"})
    with pytest.raises(UserError, match="both"):
        History.of(make_world().trajectories, odd)


@pytest.mark.parametrize("target_time", ["known", "hidden"])
@pytest.mark.parametrize("history", ["all", "train_prefix"])
def test_prompts_and_evidence_see_the_same_visits(world: Any, history: str, target_time: str) -> None:
    """The two packages read the protocol apart from each other: here they meet."""
    values = yaml.safe_load((CONF / "evidence" / "default.yaml").read_text())
    values |= {"seed": 0, "history": history, "target_time": target_time, "blackout_days": 6.0}
    spec = EvidenceSpec.model_validate({k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
    evidence = count(world.trajectories, spec)
    read = History.of(world.trajectories, evidence)
    counted = evidence.context[:, evidence.context_names.index("history_visits")]
    assert [len(read.visible(q)) for q in range(world.trajectories.queries.height)] == counted.tolist()
    last = evidence.context[:, evidence.context_names.index("last_hour")]
    for query, hour in enumerate(last.tolist()):
        places = read.visible(query)
        if len(places):
            assert read.local[places[-1]] % 86400 / 3600 == pytest.approx(hour, abs=1e-3)
