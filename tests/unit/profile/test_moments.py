"""Nothing but a user's own training check-ins before the moment; a query is told the latest profile before it."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from options import option
from pydantic import TypeAdapter

from refinepoi.artifacts.profiles import TABLE, Profiles
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.profile.moments import ALWAYS, DAY, _ends, moments
from refinepoi.profile.spec import ProfileSpec
from refinepoi.profile.write import write_texts


def spec(name: str = "template", **changes: Any) -> Any:
    return TypeAdapter(ProfileSpec).validate_python(option("profile", name) | changes)


def test_a_moment_holds_what_came_before_it(city: Trajectories) -> None:
    table = city.checkins.filter(pl.col("split") == 0)
    found = list(moments(city, 5, 2))
    assert {m.user for m in found} == set(range(5)) and len(found) == 5 * 3  # after 5, 10 and 14 days
    for m in found:
        before = table.filter((pl.col("user") == m.user) & (pl.col("utc") < m.since))
        assert m.utc.tolist() == before["utc"].to_list() and m.poi.tolist() == before["poi"].to_list()
    last = {m.user: m for m in found}
    for user, m in last.items():
        assert m.since == table.filter(pl.col("user") == user)["utc"].max() + 1


def test_moments_stand_where_something_new_came_before_them() -> None:
    """Check-ins at 0, 10, 20 and 55 seconds, every 10 seconds a moment; 40 and 50 would say what 30 does."""
    assert _ends(np.array([0, 10, 20, 55]), 0, 10, 2) == [(20, 2), (30, 3), (56, 4)]


def test_one_for_the_whole_period(city: Trajectories) -> None:
    found = list(moments(city, None, 2))
    assert [(m.user, m.since) for m in found] == [(user, ALWAYS) for user in range(5)]
    assert all(len(m.utc) == 42 for m in found)


def test_too_few_check_ins_make_no_profile(city: Trajectories) -> None:
    assert [m.user for m in moments(city, None, 43)] == [] and len([*moments(city, None, 42)]) == 5
    assert all(len(m.utc) >= 20 for m in moments(city, 2, 20))


def test_the_latest_profile_before_a_query() -> None:
    rows = [(0, 10), (0, 20), (2, 15)]
    table = pl.DataFrame({"user": [u for u, _ in rows], "since": [s for _, s in rows], "text": list("abc")}, TABLE)
    profiles = Profiles(table, {})
    asked = [(0, 9), (0, 10), (0, 19), (0, 20), (0, 99), (1, 99), (2, 14), (2, 15), (3, 99)]
    user, utc = (np.array(column) for column in zip(*asked, strict=True))
    assert profiles.rows_for(user, utc).tolist() == [-1, 0, 0, 1, 1, -1, -1, 2, -1]
    assert Profiles.none().rows_for(user, utc).tolist() == [-1] * 9


def test_a_profile_that_knows_all_is_told_always(city: Trajectories) -> None:
    profiles = write_texts(spec(refresh_days=None), city, list)
    assert profiles.rows_for(np.arange(5), np.full(5, -(10**12))).tolist() == list(range(5))
    assert profiles.facts["causal"] is False


@pytest.mark.parametrize("name", ["template", "llm"])
def test_later_held_out_and_others_check_ins_change_nothing(city: Trajectories, name: str) -> None:
    made = spec(name, refresh_days=4, **({} if name == "template" else {"writer": ENDPOINT}))
    cut = int(city.checkins["utc"].min()) + 9 * DAY
    poi, utc, user = (city.checkins[c].to_numpy() for c in ("poi", "utc", "user"))
    split = city.checkins["split"].to_numpy()
    other = np.where((utc >= cut) | (user != 2) | (split > 0), (poi + 7) % 24, poi)
    checkins = city.checkins.with_columns(pl.Series("poi", other, pl.Int32))
    queries = city.queries.with_columns(checkins["poi"].gather(city.queries["row"]).alias("target"))
    one, two = (write_texts(made, data, list) for data in (city, replace(city, checkins=checkins, queries=queries)))
    mine = (pl.col("user") == 2) & (pl.col("since") <= cut)
    assert one.table.filter(mine).height == 2 and one.table.filter(mine).equals(two.table.filter(mine))
    assert not one.table.equals(two.table)


ENDPOINT = option("profile", "llm")["writer"] | {"url": "http://localhost:1/v1"}


def test_facts_tell_who_has_none_and_how_many_are_shortened(city: Trajectories) -> None:
    whole = write_texts(spec(refresh_days=None, words=1000), city, list)
    longest = max(len(text.split()) for text in whole.table["text"])
    assert whole.facts["shortened"] == 0
    assert write_texts(spec(refresh_days=None, words=longest), city, list).facts["shortened"] == 0
    assert write_texts(spec(refresh_days=None, words=longest - 1), city, list).facts["shortened"] > 0
    assert write_texts(spec(least_visits=43), city, list).facts["users_without"] == 5
    often = write_texts(spec(refresh_days=4), city, list).facts
    assert (often["users"], often["users_without"], often["profiles"]) == (5, 0, 20) and often["causal"]


def test_saved_and_loaded(city: Trajectories, tmp_path: Any) -> None:
    profiles = write_texts(spec(), city, list)
    profiles.save(tmp_path)
    loaded = Profiles.load(tmp_path)
    assert loaded.table.equals(profiles.table) and loaded.facts == profiles.facts
    assert profiles.facts["profiles"] == 5 and profiles.facts["users_without"] == 0
    with pytest.raises(ValueError, match="not sorted"):
        Profiles(profiles.table.reverse(), {})
