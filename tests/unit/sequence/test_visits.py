"""What a sequence model may read: each training visit taught once, and of a held-out query what the protocol shows."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from refinepoi.sequence.visits import DAYS, GAPS, HOURS, NOTHING, Stream, query_pieces, training_pieces


@pytest.mark.parametrize("length", [2, 5, 8, 100])
def test_every_training_visit_but_the_first_is_taught_once(make: Any, length: int) -> None:
    t = make["world"]()
    pieces = training_pieces(Stream(t, known=True), length)
    taught = Counter()
    for poi, following in zip(pieces.poi, pieces.next, strict=True):
        for place in np.flatnonzero(following != NOTHING):
            taught[int(following[place])] += 1
            assert following[place] == (poi[place] + 1) % 12  # the rule of this world
    train = t.checkins.filter(t.checkins["split"] == 0).sort("user", "utc")
    expected = Counter(train.filter(~train["user"].is_first_distinct())["poi"].to_list())
    assert taught == expected


def test_held_out_visits_never_teach(make: Any) -> None:
    t = make["world"]()
    scrambled = t.checkins.with_columns(
        poi=t.checkins["poi"] * (t.checkins["split"] == 0).cast(t.checkins["poi"].dtype)
    )
    other = type(t)(scrambled, t.pois, t.users, t.queries.clear(), {})
    one, two = (training_pieces(Stream(x, known=True), 6) for x in (t, other))
    for name in ("poi", "next", "times", "last"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("history", ["all", "train_prefix"])
@pytest.mark.parametrize("known", [True, False])
def test_a_query_reads_the_latest_visible_visits(make: Any, history: str, known: bool) -> None:
    t, length = make["world"](), 6
    rows = np.concatenate([t.query_rows("validation"), t.query_rows("test")])
    time = "known" if known else "hidden"
    pieces = query_pieces(Stream(t, known), t, make["evidence"](history, time), rows, length)
    holes = 0
    for number, query in enumerate(rows):
        user, trip, row = t.queries.select("user", "trajectory", "row").row(int(query))
        now = t.checkins["utc"][row]
        mine = [
            visit for visit in t.checkins.rows(named=True)
            if visit["user"] == user and visit["utc"] < now
            and (history == "all" or visit["split"] == 0 or visit["trajectory"] == trip)
        ]  # fmt: skip
        holes += history == "train_prefix" and len(mine) < sum(
            visit["user"] == user and visit["utc"] < now for visit in t.checkins.rows(named=True)
        )
        seen = mine[-length:]
        assert pieces.poi[number, : len(seen)].tolist() == [visit["poi"] for visit in seen]
        assert pieces.last[number] == len(seen) - 1 and (pieces.poi[number, len(seen) :] == NOTHING).all()
        assert pieces.next[number, len(seen) - 1] == t.queries["target"][int(query)]
        hour, day, asked_hour, asked_day, gap = pieces.times[number, len(seen) - 1].tolist()
        assert (hour, day) == (seen[-1]["local"] // 3600 % 24, (seen[-1]["local"] // 86400 + 3) % 7)
        if known:
            assert (asked_hour, asked_day) == (now // 3600 % 24, (now // 86400 + 3) % 7) and gap < GAPS - 1
        else:
            assert (asked_hour, asked_day, gap) == (HOURS, DAYS, GAPS - 1)
    assert (holes > 0) == (history == "train_prefix")
