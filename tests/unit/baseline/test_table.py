"""Rankers on a table worked by hand, and what cross-fitting and hidden times must keep apart."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from options import option

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.predictions import Predictions
from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories
from refinepoi.baseline.spec import BaselineSpec
from refinepoi.baseline.table import rank_all as fill_board
from refinepoi.core.errors import UserError

PLACES = 10
NAMES = ("user_count", "visits_since_visit", "user_next", "user_hour_2h")


def spec(**changes: Any) -> BaselineSpec:
    logit = {"counters": ("user_count", "user_next"), "needs_time": False, "train_samples": 0, "l2": 1.0}
    values = {
        "counting": ("popularity", "user_frequency", "user_markov", "hour_frequency"),
        "hour_counter": "user_hour_2h",
        "logits": {"d": logit, "e": logit | {"counters": NAMES, "needs_time": True}},
        "trees": {"kind": "off"},
        "folds": 3,
        "kept": 3,
        "seed": 0,
    }
    return BaselineSpec.model_validate(values | changes)


def rank_all(spec: BaselineSpec, evidence: Evidence, trajectories: Trajectories) -> Predictions:
    return fill_board(spec, evidence, trajectories, threads=1).predictions()


def trajectories(targets: list[int], users: list[int], splits: list[int]) -> Trajectories:
    """Train rows visit place 0 three times, 1 twice, 2 once; then one row for each query."""
    train = [0, 0, 0, 1, 1, 2]
    rows = len(train) + len(targets)
    checkins = pl.DataFrame(
        {
            "user": [0] * len(train) + users,
            "poi": train + targets,
            "utc": range(rows),
            "local": range(rows),
            "trajectory": range(rows),
            "split": [0] * len(train) + splits,
        }
    ).cast(dict(CHECKINS))
    queries = checkins.with_row_index("row")[len(train) :]
    queries = queries.select("split", "user", "trajectory", pl.col("row").cast(pl.Int32), target="poi")
    text = {name: [str(p) for p in range(PLACES)] for name in ("poi_id", "category_id", "category")}
    pois = text | {"latitude": [0.0] * PLACES, "longitude": [0.0] * PLACES, "in_train": [True] * PLACES}
    names = pl.DataFrame({"user_id": [str(u) for u in range(max(users) + 1)]})
    return Trajectories(checkins, pl.DataFrame(pois).cast(dict(POIS)), names, queries.cast(dict(QUERIES)), {})


def evidence(candidates: list[list[int]], counters: list[Any], time: str = "known") -> Evidence:
    n = len(candidates)
    return Evidence(
        np.array(candidates, np.int32), np.array(counters, np.float32), NAMES, np.zeros((n, 0), np.float32), (),
        {"target_time": time},
    )  # fmt: skip


def ranks(predictions: Predictions, method: str) -> list[float]:
    return predictions.ranks.filter(pl.col("method") == method).sort("query")["rank"].to_list()


# candidates 4 3 5 6 -; columns: visits, visits since, transitions, at the hour
COUNTERS = [[2, 9, 0, 0.1], [2, 1, 0, 3.0], [1, 4, 5, 0.2], [0, 0, 0, 0.0], [0, 0, 0, 0.0]]


def test_ranks_worked_by_hand() -> None:
    world = trajectories([4, 3, 5, 6, 9, 1], [0] * 6, [2] * 6)
    found = rank_all(spec(logits={}), evidence([[4, 3, 5, 6, -1]] * 6, [COUNTERS] * 6), world)
    # place 6: 3 better, ties with the 6 places that are no candidates; places 9 and 1 are no candidates
    assert ranks(found, "user_frequency") == [2.0, 1.0, 3.0, 7.0, np.inf, np.inf]
    assert ranks(found, "user_markov") == [3.0, 2.0, 1.0, 7.0, np.inf, np.inf]
    assert ranks(found, "hour_frequency") == [3.0, 1.0, 2.0, 7.0, np.inf, np.inf]
    # popularity: places 3 .. 9 were never visited and share the ranks 4 .. 10
    assert ranks(found, "popularity") == [7.0, 7.0, 7.0, 7.0, 7.0, 2.0]
    assert found.of("user_markov")[0].tolist() == [5, 3, 4]
    assert found.of("popularity")[0].tolist() == [0, 1, 2]


def many(time: str = "known", flipped: int = -1) -> tuple[Evidence, Trajectories]:
    """30 validation queries of 10 users, 10 test queries. `flipped`: a user whose targets are others."""
    draw = np.random.default_rng(0)
    users = [q % 10 for q in range(40)]
    counters = draw.gamma(1.0, 1.0, (40, 5, 4))
    counters[:, 3:] = 0
    targets = [1 + int(counters[q, :3, 0].argmax()) for q in range(40)]
    targets = [t % 3 + 1 if u == flipped and q < 30 else t for q, (t, u) in enumerate(zip(targets, users, strict=True))]
    splits = [1] * 30 + [2] * 10
    return evidence([[1, 2, 3, 6, -1]] * 40, list(counters), time), trajectories(targets, users, splits)


def test_validation_figures_never_saw_the_user() -> None:
    plain, changed = rank_all(spec(), *many()), rank_all(spec(), *many(flipped=4))
    for method in ("d", "e"):
        lists = [found.of(method) for found in (plain, changed)]
        scores = [found.table.filter(pl.col("method") == method)["score"].to_numpy() for found in (plain, changed)]
        kept = len(scores[0]) // 40
        own = [q for q in range(30) if q % 10 == 4]
        for q in own:
            assert lists[0][q].tolist() == lists[1][q].tolist()
            assert scores[0][q * kept : (q + 1) * kept].tolist() == scores[1][q * kept : (q + 1) * kept].tolist()
        assert scores[0].tolist() != scores[1].tolist()  # other users' figures and the test do depend on these targets


def test_trees_learn_from_training_alone_and_leave_their_text() -> None:
    draw = np.random.default_rng(1)
    counters = draw.gamma(1.0, 1.0, (160, 5, 4))
    counters[:, 4] = 0
    targets = [(1, 2, 3, 6)[int(row[:4, 0].argmax())] for row in counters]
    users, splits = [q % 10 for q in range(160)], [0] * 120 + [1] * 20 + [2] * 20
    trees = option("baseline", "trees/lightgbm") | {"rounds": 20, "leaves": 4, "min_leaf": 5, "seed": 0}
    asked = spec(counting=(), logits={}, trees=trees | {"feature_fraction": 1.0})
    found = evidence([[1, 2, 3, 6, -1]] * 160, list(counters))
    board = fill_board(asked, found, trajectories(targets, users, splits), threads=1)
    assert set(board.texts) == {"trees"} and board.texts["trees"].startswith("tree")
    place = ranks(board.predictions(), "trees")
    assert len(place) == 40 and np.mean(np.array(place) == 1) > 0.8
    others = targets[:120] + [1] * 40
    again = fill_board(asked, found, trajectories(others, users, splits), threads=1)
    assert again.texts == board.texts
    assert again.predictions().table.equals(board.predictions().table)


def test_refitted_trees_rank_test_by_what_validation_taught_too() -> None:
    """In training the counter of the target tells nothing, in validation it does."""
    draw = np.random.default_rng(1)
    counters = draw.gamma(1.0, 1.0, (200, 5, 4))
    counters[:, 4] = 0
    best = [(1, 2, 3, 6)[int(row[:4, 0].argmax())] for row in counters]
    any_place = draw.choice([1, 2, 3, 6], 80).tolist()
    users, splits = [q % 10 for q in range(200)], [0] * 80 + [1] * 80 + [2] * 40
    trees = option("baseline", "trees/lightgbm") | {"rounds": 20, "leaves": 4, "min_leaf": 5, "seed": 0}
    asked = spec(counting=(), logits={}, trees=trees | {"feature_fraction": 1.0, "refit": True})
    found = evidence([[1, 2, 3, 6, -1]] * 200, list(counters))
    board = fill_board(asked, found, trajectories([*any_place, *best[80:]], users, splits), threads=1)
    assert list(board.texts) == ["trees", "trees_refit"]
    plain, refitted = (np.array(ranks(board.predictions(), name)) for name in board.texts)
    np.testing.assert_array_equal(refitted[:80], plain[:80])  # validation
    assert (refitted[80:] == 1).mean() > 0.6 > 0.45 > (plain[80:] == 1).mean()


def test_what_needs_the_time_is_left_out_where_it_is_hidden() -> None:
    found = rank_all(spec(), *many("hidden"))
    methods = ["popularity", "user_frequency", "user_markov", "d"]
    assert found.ranks["method"].unique(maintain_order=True).to_list() == methods
    assert set(found.facts["methods"]) == {*methods, "hour_frequency", "e"}
    assert "hides" in found.facts["methods"]["e"]["left_out"]


def test_every_list_holds_candidates_without_repetition() -> None:
    found = rank_all(spec(kept=20), *many())
    for method in ("user_frequency", "d"):
        lists = found.of(method)
        assert lists.shape == (40, 4)
        assert all(sorted(row) == [1, 2, 3, 6] for row in lists.tolist())


def test_unknown_counters_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"baseline\.hour_counter: the evidence has no counter user_hour_9h"):
        rank_all(spec(hour_counter="user_hour_9h"), *many())
    logit = {"counters": ("user_conut",), "needs_time": False, "train_samples": 0, "l2": 1.0}
    with pytest.raises(UserError, match=r"baseline\.logits\.x\.counters: the evidence has no counter user_conut"):
        rank_all(spec(logits={"x": logit}), *many())
    with pytest.raises(ValueError, match="another ranker"):
        spec(logits={"popularity": logit})
