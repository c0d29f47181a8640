"""Sequence models learn what is planted, read no future, and give the same bytes twice."""

from typing import Any

import numpy as np
import pytest
import torch

from refinepoi.core.errors import DataError
from refinepoi.ranking import reciprocal_rank
from refinepoi.sequence.network import SequenceNetwork
from refinepoi.sequence.train import train

KINDS = pytest.mark.parametrize("kind", ["sasrec", "gru"])


def mrr(predictions: Any, queries: np.ndarray) -> float:
    ranks = predictions.ranks.filter(predictions.ranks["query"].is_in(queries.tolist()))["rank"].to_numpy()
    assert len(ranks) == len(queries)
    return float(reciprocal_rank(ranks).mean())


@KINDS
def test_the_place_after_the_last_one_is_learned(make: Any, context: Any, kind: str) -> None:
    t = make["world"]()
    found = train(context, make["spec"](kind), make["evidence"](target_time="hidden"), t)
    assert mrr(found, t.query_rows("test")) > 0.95
    assert set(found.table["method"]) == {kind} and found.table["rank"].max() == 3
    curve = context.log.curve
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]


@KINDS
def test_the_hour_asked_for_is_read_only_where_it_is_known(make: Any, context: Any, kind: str) -> None:
    t = make["world"](by_hour=True)
    known = train(context, make["spec"](kind), make["evidence"](), t)
    hidden = train(context, make["spec"](kind), make["evidence"](target_time="hidden"), t)
    without = train(context, make["spec"](kind, times=False), make["evidence"](), t)
    rows = t.query_rows("test")
    assert mrr(known, rows) > 0.9 > 0.6 > max(mrr(hidden, rows), mrr(without, rows))


@KINDS
def test_nothing_behind_a_place_changes_it(make: Any, kind: str) -> None:
    network = SequenceNetwork(make["spec"](kind), 12).eval()
    draw = np.random.default_rng(0)
    poi, times = torch.from_numpy(draw.integers(0, 12, (3, 8))), torch.from_numpy(draw.integers(0, 7, (3, 8, 5)))
    before = network(poi, times)
    poi[:, 5:], times[:, 5:] = 0, 0
    after = network(poi, times)
    torch.testing.assert_close(before[:, :5], after[:, :5], rtol=0, atol=0)
    assert not torch.equal(before[:, 5:], after[:, 5:])


@KINDS
def test_two_runs_are_equal_and_another_seed_is_not(make: Any, context: Any, kind: str) -> None:
    t, short = make["world"](), {"epochs": 2, "dropout": 0.2}
    one, two, other = (train(context, make["spec"](kind, seed=s, **short), make["evidence"](), t) for s in (0, 0, 1))
    assert one.table.equals(two.table) and one.ranks.equals(two.ranks)
    assert not one.table.equals(other.table)


def test_the_weights_of_the_best_epoch_are_kept(make: Any, context: Any) -> None:
    found = train(context, make["spec"]("gru", patience=2), make["evidence"](), make["world"](by_hour=True, seed=3))
    facts = found.facts["methods"]["gru"]
    rows = make["world"](by_hour=True, seed=3).query_rows("validation")
    best = max(row["validation_mrr"] for row in context.log.curve)
    assert mrr(found, rows) == pytest.approx(best, abs=1e-6) == pytest.approx(facts["validation_mrr"], abs=1e-6)


def test_data_without_two_visits_of_anybody_is_refused(make: Any, context: Any) -> None:
    with pytest.raises(DataError, match="no user has two training visits"):
        train(context, make["spec"]("sasrec"), make["evidence"](), make["world"](visits=1))
