"""The mixture on worlds in which it is known what each opinion is worth."""

import numpy as np
import polars as pl
import pytest
from options import option
from pydantic import TypeAdapter

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories
from refinepoi.core.errors import UserError
from refinepoi.ensemble.mix import LIKELIHOOD, MOST, NAME, RANKER, check_names, mix, with_surprises
from refinepoi.ensemble.spec import EnsembleSpec, LogLinear

PLACES, QUESTIONS, USERS = 8, 600, 30


def spec(**changes) -> LogLinear:
    return TypeAdapter(EnsembleSpec).validate_python(
        option("ensemble", "loglinear") | {"counters": ("user_count",), "seed": 0, "l2": 1.0} | changes
    )


def world(seed: int = 0) -> tuple[Trajectories, Evidence, np.ndarray, np.ndarray]:
    """Half the targets are known to counting, half to the policy; which half is in neither's gift to say."""
    draw = np.random.default_rng(seed)
    target = draw.integers(PLACES, size=QUESTIONS)
    counted = draw.random(QUESTIONS) < 0.5
    split = np.repeat([1, 2], QUESTIONS // 2)
    user = draw.integers(USERS, size=QUESTIONS)
    visits = draw.random((QUESTIONS, PLACES))
    visits[np.flatnonzero(counted), target[counted]] += 2.0
    opinion = draw.normal(size=(QUESTIONS, PLACES))
    opinion[np.flatnonzero(~counted), target[~counted]] += 4.0
    likelihood = opinion - np.log(np.exp(opinion).sum(1, keepdims=True))
    rows = pl.DataFrame({"user": user, "poi": target, "utc": range(QUESTIONS), "local": range(QUESTIONS),
                         "trajectory": range(QUESTIONS), "split": split}).cast(dict(CHECKINS))  # fmt: skip
    queries = rows.with_row_index("row").select(
        "split", "user", "trajectory", pl.col("row").cast(pl.Int32), target="poi"
    )
    text = {name: [str(p) for p in range(PLACES)] for name in ("poi_id", "category_id", "category")}
    pois = text | {"latitude": [0.0] * PLACES, "longitude": [0.0] * PLACES, "in_train": [True] * PLACES}
    users = pl.DataFrame({"user_id": [str(u) for u in range(USERS)]})
    trajectories = Trajectories(rows, pl.DataFrame(pois).cast(dict(POIS)), users, queries.cast(dict(QUERIES)), {})
    evidence = Evidence(
        np.tile(np.arange(PLACES, dtype=np.int32), (QUESTIONS, 1)), visits[..., None].astype(np.float32),
        ("user_count",), np.zeros((QUESTIONS, 0), np.float32), (), {},
    )  # fmt: skip
    return trajectories, evidence, likelihood.astype(np.float32), target


def hits(lists: np.ndarray, target: np.ndarray) -> float:
    return float((lists[:, 0] == target).mean())


def test_a_mixture_beats_both_opinions() -> None:
    trajectories, evidence, likelihood, target = world()
    lists = mix(spec(), evidence, trajectories, likelihood).of(NAME)
    counting, policy = evidence.counters[..., 0].argmax(1), likelihood.argmax(1)
    mixed = [hits(lists[rows], target[rows]) for rows in (slice(0, 300), slice(300, 600))]
    alone = max(float((own == target).mean()) for own in (counting, policy))
    assert min(mixed) > alone + 0.1


def test_labels_of_the_test_split_change_nothing_and_validation_is_cross_fitted() -> None:
    trajectories, evidence, likelihood, target = world()
    before = mix(spec(), evidence, trajectories, likelihood)
    checkins, queries = (
        table.with_columns(pl.when(pl.col("split") == 2).then((pl.col(name) + 1) % PLACES).otherwise(pl.col(name)))
        for table, name in ((trajectories.checkins, "poi"), (trajectories.queries, "target"))
    )
    changed = Trajectories(
        checkins.cast(dict(CHECKINS)), trajectories.pois, trajectories.users, queries.cast(dict(QUERIES)), {}
    )
    after = mix(spec(), evidence, changed, likelihood)
    assert np.array_equal(before.of(NAME), after.of(NAME))
    noise = np.random.default_rng(1).normal(size=(QUESTIONS, PLACES, 40)).astype(np.float32) ** 2
    noisy = Evidence(evidence.candidates, noise, tuple(f"n{i}" for i in range(40)), evidence.context, (), {})
    flat = np.zeros_like(likelihood)
    lists = mix(spec(counters=noisy.names, l2=1e-3), noisy, trajectories, flat).of(NAME)
    assert hits(lists[:300], target[:300]) < 0.2  # chance is .125; fitted on itself it reaches twice that


def test_surprises_are_finite_and_a_rankers_joins_by_itself() -> None:
    _, evidence, likelihood, _ = world()
    likelihood[0, 0] = -np.inf
    names = ("user_count", "ranker_score")
    score = np.zeros_like(evidence.counters)
    both = Evidence(evidence.candidates, np.concatenate([evidence.counters, score], 2), names, evidence.context, (), {})
    mixed = with_surprises(both, likelihood[:, :5])
    assert mixed.names == (LIKELIHOOD, RANKER, *names) and mixed.counters.shape == (QUESTIONS, 5, 4)
    assert mixed.counter(LIKELIHOOD)[0, 0] == MOST and (mixed.counter(RANKER) == MOST).all()
    assert np.allclose(mixed.counter(LIKELIHOOD)[1], -likelihood[1, :5])


def test_an_unknown_counter_is_named() -> None:
    _, evidence, _, _ = world()
    with pytest.raises(UserError, match=r"ensemble.counters: .* no counter typo; it has user_count"):
        check_names(spec(counters=("typo",)), evidence)
