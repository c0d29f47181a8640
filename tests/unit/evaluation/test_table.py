"""The printed table: every number in its place, the best marked, the protocol beneath; same after a round trip."""

import json
from typing import Any

from refinepoi.evaluation.table import metrics_table, order_of, strata_table


def values(acc: float, mrr: float) -> dict[str, Any]:
    return {
        "Acc@1": acc, "Acc@1_interval": [acc - 0.02, acc + 0.02], "Acc@5": acc + 0.2, "Acc@10": acc + 0.3, "MRR": mrr,
        "MRR@10": mrr - 0.01, "NDCG@10": mrr + 0.1, "invalid_rate": 0.0, "duplicate_rate": 0.0123,
    }  # fmt: skip


def content() -> dict[str, Any]:
    methods = {
        "policy": values(0.4, 0.5), "warm_start": values(0.38, 0.52), "popularity": values(0.1, 0.2),
        "counters_e": values(0.39996, 0.499),
    }  # fmt: skip
    paired = {"policy - warm_start": {"Acc@1": {"difference": 0.02, "interval": [-0.01, 0.05]}}}
    stratum = {
        "low": {"samples": 3, "range": [1.0, 4.0], "methods": methods},
        "high": {"samples": 5, "range": [9.0, 12.0], "methods": methods},
    }
    return {
        "protocol": {
            "metrics_version": "1", "dataset": "toy", "history": "all", "list_lengths": {"policy": 10}, "MRR": "x",
        },
        "samples": 8, "methods": methods, "validation": {"samples": 4, "methods": methods}, "paired": paired,
        "strata": {"activity": stratum, "novelty": {"return": {"samples": 8, "methods": methods}}},
    }  # fmt: skip


def cells(text: str) -> list[list[str]]:
    return [[c.strip() for c in line.strip("| ").split("|")] for line in text.splitlines() if line.startswith("|")]


def test_rows_columns_and_marks() -> None:
    text = metrics_table(content())
    head, _, *rows = cells(text)
    assert head == [
        "test", "Acc@1", "interval", "Acc@5", "Acc@10", "MRR", "MRR@10", "NDCG@10", "invalid", "repeated", "list",
        "val. MRR",
    ]  # fmt: skip
    assert [row[0] for row in rows] == ["policy", "warm_start", "counters_e", "popularity"]  # models, then by MRR
    assert rows[0] == [
        "policy", "0.400*", "[0.380, 0.420]", "0.600*", "0.700*", "0.500", "0.490", "0.600", "0", "1.23%", "10",
        "0.500",
    ]  # fmt: skip
    assert rows[2][1] == "0.400*" and rows[1][5] == "0.520*" and rows[3][5] == "0.200"  # equal as shown is equal


def test_lines_are_aligned_and_state_n_pairs_and_protocol() -> None:
    text = metrics_table(content())
    assert len({len(line) for line in text.splitlines() if line.startswith("|")}) == 1
    assert "n = 8 test, 4 validation" in text
    assert "policy - warm_start (paired): Acc@1 +0.020 [-0.010, +0.050]" in text
    assert "protocol: dataset toy, history all, metrics version 1; MRR x" in text
    assert "reasoning" not in text
    figures = {"tokens": 41.26, "closed_by_force": 0.125, "without": 0.0}
    said = metrics_table(content() | {"reasoning": {"policy": figures}})
    assert "reasoning of policy: 41.3 tokens, 12.50% closed by force, 0 of the answers without" in said


def test_the_same_table_from_content_that_was_written_with_sorted_keys() -> None:
    read = json.loads(json.dumps(content(), sort_keys=True))
    assert metrics_table(read) == metrics_table(content()) and strata_table(read) == strata_table(content())


def test_strata_in_the_order_of_their_range() -> None:
    _, _, *rows = cells(strata_table(content()))
    assert rows[:2] == [
        ["activity", "low", "1 to 4", "3", "0.400", "0.380"],
        ["activity", "high", "9 to 12", "5", "0.400", "0.380"],
    ]
    assert rows[2] == ["novelty", "return", "", "8", "0.400", "0.380"]


def test_nothing_to_show() -> None:
    empty = content() | {"methods": {}, "strata": {}}
    assert metrics_table(empty) == "no test samples"
    assert len(cells(strata_table(empty))) == 2
    assert order_of({}) == []
