"""Strata against loops over random check-ins, with equal times, both histories, and shared trajectories."""

import math

import numpy as np
import polars as pl
import pytest

from refinepoi.artifacts.trajectories import QUERIES, Trajectories
from refinepoi.evaluation.spec import StrataSpec
from refinepoi.evaluation.strata import bounds, find_strata, place_stratum

SPEC = StrataSpec(groups=3, few=3, distances=(1.0, 5.0), hours=(6, 12, 18))


def random_world(seed: int, rows: int = 400, users: int = 9, pois: int = 25) -> Trajectories:
    """Check-ins with many equal times; trajectories of about 6; the last fifth is the test period."""
    draw = np.random.default_rng(seed)
    utc = np.sort(draw.integers(0, rows, size=rows)) * 3600
    user = draw.integers(users - 3, size=rows)
    late = np.arange(int(0.8 * rows) + 3, rows, 5)
    user[late] = users - 1 - late % 3  # three users who come after training
    split = np.digitize(np.arange(rows), [int(0.7 * rows), int(0.8 * rows)])
    frame = pl.DataFrame(
        {
            "user": user.astype(np.int32),
            "poi": (draw.random(rows) ** 2 * pois).astype(np.int32),
            "utc": utc,
            "local": utc - 4 * 3600 + 86400,
            "trajectory": (user * 1000 + utc // (3600 * 60)).astype(np.int32),
            "split": split.astype(np.int8),
        }
    )
    places = pl.DataFrame(
        {
            "poi_id": [f"p{i}" for i in range(pois)],
            "category_id": ["c"] * pois,
            "category": ["food"] * pois,
            "latitude": 40.7 + draw.normal(size=pois) * 0.03,
            "longitude": -74.0 + draw.normal(size=pois) * 0.03,
            "in_train": [True] * pois,
        }
    )
    asked = np.flatnonzero(draw.random(rows) < 0.4)
    asked = asked[np.lexsort((asked, split[asked]))]
    queries = pl.DataFrame(
        {
            "split": split[asked],
            "user": frame["user"].to_numpy()[asked],
            "trajectory": frame["trajectory"].to_numpy()[asked],
            "row": asked,
            "target": frame["poi"].to_numpy()[asked],
        }
    ).cast(QUERIES)  # type: ignore[arg-type]
    names = pl.DataFrame({"user_id": [str(i) for i in range(users)]})
    return Trajectories(frame, places, names, queries, {"protocol": {"dataset": "random", "samples_rule": "all"}})


def kilometres(a: dict, b: dict) -> float:
    p, q = math.radians(a["latitude"]), math.radians(b["latitude"])
    cosine = math.sin(p) * math.sin(q) + math.cos(p) * math.cos(q) * math.cos(
        math.radians(a["longitude"] - b["longitude"])
    )
    return 6371.0088 * math.acos(min(1.0, cosine))


@pytest.mark.parametrize("history", ["all", "train_prefix"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_stratum_equals_a_loop_over_the_rows(history: str, seed: int) -> None:
    world = random_world(seed)
    rows = world.query_rows("test")
    found = find_strata(world, rows, history, SPEC)
    checkins, places = world.checkins.to_dicts(), world.pois.to_dicts()
    trained = {u: {c["trajectory"] for c in checkins if c["user"] == u and c["split"] == 0} for u in range(9)}
    counts = sorted(len(t) for t in trained.values() if t)
    cuts = np.quantile(counts, [1 / 3, 2 / 3])
    lengths = found["length"].measure
    assert lengths is not None
    length_cuts = np.quantile(lengths, [1 / 3, 2 / 3])
    for place, query in enumerate(world.queries[rows].to_dicts()):
        target = checkins[query["row"]]
        past = [c for c in checkins if c["utc"] < target["utc"]]
        own = [c for c in past if c["user"] == query["user"]]
        prefix = [c for c in past if c["trajectory"] == query["trajectory"]]
        visible = own if history == "all" else [c for c in own if c["split"] == 0] + prefix
        expected = {
            "activity": ("low", "middle", "high")[int(sum(len(trained[query["user"]]) > cuts))],
            "cold_start": "< 3" if len(trained[query["user"]]) < 3 else ">= 3",
            "length": ("low", "middle", "high")[int(sum(len(prefix) > length_cuts))],
            "novelty": "return" if any(c["poi"] == query["target"] for c in visible) else "discovery",
        }
        hour = target["local"] // 3600 % 24
        expected["hour"] = "06-12 h" if 6 <= hour < 12 else "12-18 h" if 12 <= hour < 18 else "18-06 h"
        if own:
            last = max(own, key=lambda c: c["utc"])["utc"]
            candidates = [c for c in own if c["utc"] == last]
            far = kilometres(places[candidates[-1]["poi"]], places[query["target"]])
            expected["distance"] = "0-1 km" if far < 1 else "1-5 km" if far < 5 else ">= 5 km"
        assert lengths[place] == len(prefix)
        for name, label in expected.items():
            assert found[name].group[place] == found[name].labels.index(label), (name, query)


def test_both_histories_differ_where_a_place_was_seen_between_training_and_now() -> None:
    world = random_world(3)
    rows = world.query_rows("test")
    seen = [(find_strata(world, rows, h, SPEC)["novelty"].group == 0).sum() for h in ("all", "train_prefix")]
    assert seen[0] > seen[1]


def test_rows_at_or_after_the_target_change_no_stratum_of_the_past() -> None:
    world = random_world(4)
    rows = world.query_rows("test")[:20]
    until = world.checkins["utc"].to_numpy()[world.queries["row"].to_numpy()[rows]].max()
    late = (pl.col("utc") > int(until)) & ~pl.int_range(pl.len()).is_in(world.queries["row"].implode())
    later = world.checkins.with_columns(
        poi=pl.when(late).then((pl.col("poi") + 7) % 25).otherwise("poi").cast(pl.Int32)
    )
    other = Trajectories(later, world.pois, world.users, world.queries, world.facts)
    assert not later.equals(world.checkins)
    for name, stratum in find_strata(world, rows, "all", SPEC).items():
        np.testing.assert_array_equal(stratum.group, find_strata(other, rows, "all", SPEC)[name].group)


def test_parts_of_the_day_that_begin_at_midnight() -> None:
    world = random_world(5)
    spec = SPEC.model_copy(update={"hours": (0, 6, 12, 18), "groups": 4})
    found = find_strata(world, world.query_rows("test"), "all", spec)
    assert found["hour"].labels == ("00-06 h", "06-12 h", "12-18 h", "18-24 h")
    assert found["activity"].labels == ("1 of 4", "2 of 4", "3 of 4", "4 of 4")


def test_places_among_candidates_by_hand() -> None:
    position = np.array([0, 1, 4, 5, 9, 19, 20, 49, 50, 127, -1])
    stratum = place_stratum(position)
    labels = [stratum.labels[g] for g in stratum.group]
    expected = ["1", "2-5", "2-5", "6-10", "6-10", "11-20", "21-50", "21-50", "> 50", "> 50", "no candidate"]
    assert labels == expected
    found = bounds(position)
    assert found == {k: n / 11 for k, n in zip(found, (1, 3, 5, 6, 8, 10), strict=True)}
