"""The content of metrics.json: a table worked by hand, planted rankers, misses that count, pairing, format."""

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.metrics import Metrics
from refinepoi.artifacts.predictions import RANKS, TABLE, Predictions
from refinepoi.artifacts.trajectories import QUERIES, Trajectories
from refinepoi.core.errors import UserError
from refinepoi.evaluation.score import Method, gather, list_faults, rankers_of, score_all, worth
from refinepoi.evaluation.spec import ScoringSpec, StrataSpec

POIS = 40
SPEC = ScoringSpec(
    ks=(1, 5, 10), resamples=400, confidence=0.95, unit="sample", seed=0, against=("warm_start", "counters_e"),
    strata=StrataSpec(groups=3, few=5, distances=(1.0, 5.0), hours=(0, 6, 12, 18)),
)  # fmt: skip


def world(validation: int = 3, test: int = 8) -> Trajectories:
    """Every check-in after the third of a user is asked; 6 train rows, then validation, then test."""
    rows = 6 + validation + test
    split = np.repeat([0, 1, 2], [6, validation, test]).astype(np.int8)
    poi = np.arange(rows, dtype=np.int32) * 7 % POIS
    time = np.arange(rows) * 3600
    frame = pl.DataFrame(
        {
            "user": np.zeros(rows, np.int32), "poi": poi, "utc": time, "local": time,
            "trajectory": (np.arange(rows) // 4).astype(np.int32), "split": split,
        }
    )  # fmt: skip
    places = pl.DataFrame(
        {
            "poi_id": [str(i) for i in range(POIS)], "category_id": ["c"] * POIS, "category": ["food"] * POIS,
            "latitude": np.linspace(40, 41, POIS), "longitude": np.linspace(-74, -73, POIS), "in_train": [True] * POIS,
        }
    )  # fmt: skip
    asked = np.arange(6, rows)
    queries = pl.DataFrame(
        {
            "split": split[asked],
            "user": np.zeros(len(asked)),
            "trajectory": asked // 4,
            "row": asked,
            "target": poi[asked],
        }
    ).cast(QUERIES)  # type: ignore[arg-type]
    return Trajectories(frame, places, pl.DataFrame({"user_id": ["u"]}), queries, {"protocol": {"dataset": "toy"}})


def evidence(queries: int) -> Evidence:
    return Evidence(
        np.zeros((queries, 2), np.int32), np.zeros((queries, 2, 1), np.float32), ("c",),
        np.zeros((queries, 1), np.float32), ("hour",), {"history": "all", "target_time": "known"},
    )  # fmt: skip


def predictions(**ranks: dict[int, float]) -> Predictions:
    """Lists of 10 whose target stands at the given rank (ten other places where it is farther)."""
    queries = world().queries["target"].to_list()
    table, rows = [], []
    for method, by_query in ranks.items():
        for query, rank in by_query.items():
            others = [p for p in range(POIS) if p != queries[query]]
            listed = others[:10]
            if rank <= 10:
                listed.insert(int(rank) - 1, queries[query])
            table += [(method, query, place + 1, poi, 0.0) for place, poi in enumerate(listed[:10])]
            rows.append((method, query, rank))
    facts = {"kept": 10, "methods": {m: {"list_length": 10} if m == "model" else {"ranks_over": "all"} for m in ranks}}
    return Predictions(pl.DataFrame(table, TABLE, orient="row"), pl.DataFrame(rows, RANKS, orient="row"), facts)


INF = math.inf
TEST = [1, 2, 4, INF, 1, 6, 10, 3]  # ranks of the 8 test queries
HAND = {
    "Acc@1": 2 / 8, "Acc@5": 5 / 8, "Acc@10": 7 / 8, "MRR": (1 + 1 / 2 + 1 / 4 + 1 + 1 / 6 + 1 / 10 + 1 / 3) / 8,
    "MRR@10": (1 + 1 / 2 + 1 / 4 + 1 + 1 / 6 + 1 / 10 + 1 / 3) / 8,
    "NDCG@10": (2 + 1 / math.log2(3) + 1 / math.log2(5) + 1 / math.log2(7) + 1 / math.log2(11) + 0.5) / 8,
}  # fmt: skip


def by_query(test: list[float], validation: tuple[float, ...] = (1, 2, INF)) -> dict[int, float]:
    return dict(enumerate([*validation, *test]))


@pytest.fixture(scope="module")
def content() -> dict:
    policy = predictions(model=by_query(TEST))
    warm = predictions(model=by_query([2, 2, 4, INF, 2, 6, 10, 3]))
    counters = predictions(counters_e=by_query([1, 25, 4, 12.5, 1, 6, 10, 3]), popularity=by_query([1] * 8))
    return score_all(gather(policy, warm, counters), world(), evidence(11), SPEC)


def test_a_table_worked_by_hand(content: dict) -> None:
    assert content["samples"] == 8 and content["validation"]["samples"] == 3
    for metric, value in HAND.items():
        assert content["methods"]["policy"][metric] == pytest.approx(value, abs=1e-12), metric
    assert content["validation"]["methods"]["policy"]["MRR"] == pytest.approx(0.5)
    assert content["methods"]["popularity"]["Acc@1"] == content["methods"]["popularity"]["MRR"] == 1.0


def test_mrr_counts_a_rankers_whole_list_and_mrr_at_10_only_what_a_list_of_10_could_hold(content: dict) -> None:
    inside = (1 + 1 / 4 + 1 + 1 / 6 + 1 / 10 + 1 / 3) / 8
    counters = content["methods"]["counters_e"]
    assert counters["MRR@10"] == pytest.approx(inside)
    assert counters["MRR"] == pytest.approx(inside + (1 / 25 + 1 / 12.5) / 8)
    none = {"counters_e": None, "popularity": None}
    assert content["protocol"]["list_lengths"] == {"policy": 10, "warm_start": 10, **none}
    assert content["protocol"]["ranks_over"]["counters_e"] == "all"


def test_intervals_hold_their_value_and_are_seeded(content: dict) -> None:
    for values in content["methods"].values():
        for metric in HAND:
            low, high = values[f"{metric}_interval"]
            assert low <= values[metric] <= high
    assert content["methods"]["policy"]["Acc@1_interval"] == [0.0, 0.625]  # quantiles of Binomial(8, 1/4) / 8
    again = score_all(
        gather(predictions(model=by_query(TEST)), predictions(model=by_query(TEST)), predictions(popularity={})),
        world(), evidence(11), SPEC,
    )  # fmt: skip
    assert again["methods"]["policy"] == content["methods"]["policy"]  # whoever else is in the table


def test_paired_difference_is_narrower_than_the_two_intervals(content: dict) -> None:
    paired = content["paired"]["policy - warm_start"]["MRR"]
    assert paired["difference"] == pytest.approx((1 - 1 / 2) * 2 / 8)
    low, high = paired["interval"]
    assert 0 <= low <= paired["difference"] <= high
    own = content["methods"]["policy"]["MRR_interval"]
    assert high - low < own[1] - own[0]
    assert set(content["paired"]) == {"policy - warm_start", "policy - counters_e"}
    assert set(content["validation"]["paired"]) == set(content["paired"])


def test_the_ranker_is_held_against_its_peers_too() -> None:
    policy, start = predictions(model=by_query(TEST)), predictions(model=by_query([2] * 8))
    ranked, counted = predictions(ranker=by_query([1] * 8)), predictions(trees=by_query([2] * 8))
    spec = SPEC.model_copy(update={"against": ("warm_start", "ranker", "trees", "counters_e")})
    paired = score_all(gather(policy, start, ranked, counted), world(), evidence(11), spec)["paired"]
    assert list(paired) == ["policy - warm_start", "policy - ranker", "policy - trees", "ranker - trees"]
    assert paired["ranker - trees"]["MRR"]["difference"] == pytest.approx(0.5)
    assert paired["ranker - trees"]["MRR"]["interval"] == pytest.approx([0.5, 0.5])


def test_a_query_without_a_list_is_a_miss_and_is_told() -> None:
    policy = predictions(model={q: r for q, r in by_query(TEST).items() if q not in (3, 7)})  # two test answers lost
    table = score_all(gather(policy, policy, predictions(popularity={})), world(), evidence(11), SPEC)["methods"]
    assert table["policy"]["unanswered_rate"] == 2 / 8
    assert table["policy"]["Acc@1"] == 0.0  # queries 3 and 7 were the two hits


def test_perfect_and_absent_rankers_and_identities() -> None:
    ranks = np.array([1.0, 3.0, 1.5, 7.0, INF, np.nan, 11.0])
    values = worth(ranks, (1, 5, 10))
    assert (values["Acc@1"] <= values["MRR@10"]).all() and (values["MRR@10"] <= values["Acc@10"]).all()
    assert (values["MRR@10"] <= values["NDCG@10"]).all() and (values["Acc@5"] <= values["Acc@10"]).all()
    assert all((v[4:6] == 0).all() for v in values.values())
    assert all((v == 1).all() for v in worth(np.ones(4), (1, 5, 10)).values())


def test_order_of_the_predictions_does_not_matter() -> None:
    policy = predictions(model=by_query(TEST))
    shuffled = Predictions(
        policy.table.sample(fraction=1, shuffle=True, seed=1),
        policy.ranks.sample(fraction=1, shuffle=True, seed=2),
        policy.facts,
    )
    baseline = predictions(popularity=by_query([1] * 8))
    first, second = (score_all(gather(p, p, baseline), world(), evidence(11), SPEC) for p in (policy, shuffled))
    assert first == second


def test_invalid_and_repeated_entries_are_counted_among_the_entries_asked_about() -> None:
    listed = [(0, 1, 5), (0, 2, 5), (0, 3, -1), (0, 4, POIS), (1, 1, 7), (1, 2, 8), (9, 1, -1), (9, 2, -1)]
    table = pl.DataFrame([("m", q, r, p, 0.0) for q, r, p in listed], TABLE, orient="row")
    method = Method(Predictions(table, pl.DataFrame([], RANKS), {"kept": 4}), "m")
    assert list_faults(method, np.array([0, 1]), POIS) == {"invalid_rate": 2 / 6, "duplicate_rate": 1 / 6}
    assert list_faults(method, np.array([2]), POIS) == {"invalid_rate": 0.0, "duplicate_rate": 0.0}


def test_strata_add_up_and_state_their_size(content: dict) -> None:
    assert set(content["strata"]) == {"activity", "cold_start", "length", "novelty", "distance", "hour", "candidate"}
    for groups in content["strata"].values():
        assert sum(g["samples"] for g in groups.values()) == 8
        mean = sum(g["samples"] * g["methods"]["policy"]["MRR"] for g in groups.values()) / 8
        assert mean == pytest.approx(HAND["MRR"])


def test_saved_content_is_plain_json_and_reads_back(content: dict, tmp_path: Path) -> None:
    Metrics(content).save(tmp_path)
    text = (tmp_path / "metrics.json").read_text()
    assert "NaN" not in text and "Infinity" not in text
    assert json.loads(text) == json.loads(json.dumps(content)) == Metrics.load(tmp_path).content
    assert content["protocol"]["history"] == "all" and content["protocol"]["target_time"] == "known"
    assert content["protocol"]["dataset"] == "toy"


def test_an_empty_split_is_no_crash() -> None:
    trajectories = world(validation=0)
    policy = predictions(model=dict(enumerate(TEST)))
    content = score_all(gather(policy, policy, predictions(popularity={})), trajectories, evidence(8), SPEC)
    assert content["validation"] == {"samples": 0, "methods": {}, "paired": {}}
    assert content["methods"]["policy"]["MRR"] == pytest.approx(HAND["MRR"])


def test_a_baseline_cannot_take_a_models_name() -> None:
    policy = predictions(model=by_query(TEST))
    with pytest.raises(UserError, match="'policy'"):
        gather(policy, policy, predictions(policy=by_query(TEST)))


def test_baselines_alone_are_scored_as_beside_a_policy(content: dict) -> None:
    counters = predictions(counters_e=by_query([1, 25, 4, 12.5, 1, 6, 10, 3]), popularity=by_query([1] * 8))
    alone = score_all(rankers_of(counters), world(), evidence(11), SPEC)
    assert alone["methods"] == {name: content["methods"][name] for name in ("counters_e", "popularity")}
    assert list(alone["paired"]) == ["popularity - counters_e"]
    assert alone["paired"]["popularity - counters_e"]["Acc@1"]["difference"] == pytest.approx(1 - 2 / 8)
