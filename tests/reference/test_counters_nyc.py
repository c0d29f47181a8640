"""The counters of docs/method.md section 5 on the published NYC split: every figure within .01, one excepted."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.baseline.spec import BaselineSpec
from refinepoi.baseline.table import rank_all
from refinepoi.dataset.stage import trajectories_of
from refinepoi.evidence.count import count
from refinepoi.evidence.spec import EvidenceSpec
from refinepoi.launching.composition import check
from refinepoi.ranking import hit_at, reciprocal_rank

pytestmark = pytest.mark.realdata

METHOD = {  # (history, target time, method): Acc@1, Acc@5, Acc@10, MRR
    ("train_prefix", "hidden", "user_frequency"): (0.236, 0.525, 0.649, 0.368),
    ("train_prefix", "known", "hour_frequency"): (0.266, 0.584, 0.683, 0.408),
    ("train_prefix", "hidden", "counters_d"): (0.270, 0.575, 0.684, 0.407),
    ("train_prefix", "known", "counters_e"): (0.326, 0.613, 0.696, 0.452),
    ("all", "hidden", "counters_d"): (0.303, 0.632, 0.734, 0.447),
    ("all", "known", "counters_e"): (0.375, 0.654, 0.740, 0.499),
}

# Two samples of Acc@1 more than .01: .0104 below. It was .0089 while a link from the last training visit to the
# trajectory told whether a visit was hidden between them.
ALLOWED = {("train_prefix", "hidden", "counters_d"): 0.011}


def settings(root: Path, group: str, option: str, **changes: Any) -> str:
    tree = yaml.safe_load((root / "conf" / group / f"{option}.yaml").read_text(encoding="utf-8"))
    tree.pop("defaults", None)
    return json.dumps(tree | changes)


@pytest.fixture(scope="module")
def nyc(real_data: Path) -> Trajectories:
    """All check-ins, and the queries that are ranked: neither counters_d nor counters_e is fitted on training ones."""
    words = ["dataset=nyc", f"dataset.path={real_data / 'nyc'}"]
    whole = trajectories_of(check(words, multirun=False).jobs[0].experiment.dataset)
    return replace(whole, queries=whole.queries.filter(pl.col("split") > 0))


@pytest.mark.parametrize(
    ("history", "target_time"),
    [
        ("train_prefix", "hidden"),
        ("all", "known"),
        ("train_prefix", "known"),
        ("all", "hidden"),
    ],
)
def test_figures_of_the_method(root: Path, nyc: Trajectories, history: str, target_time: str) -> None:
    evidence = count(
        nyc,
        EvidenceSpec.model_validate_json(
            settings(root, "evidence", "default", history=history, target_time=target_time, seed=0)
        ),
    )
    logits = yaml.safe_load((root / "conf/baseline/default.yaml").read_text(encoding="utf-8"))["logits"]
    del logits["counters_rich"]
    spec = BaselineSpec.model_validate_json(
        settings(root, "baseline", "default", seed=0, logits=logits, trees={"kind": "off"})
    )
    ranks = rank_all(spec, evidence, nyc, threads=1).predictions().ranks
    test = nyc.query_rows("test")
    assert (len(nyc.query_rows("validation")), len(test)) == (1400, 1348)
    for (_, _, method), expected in {k: v for k, v in METHOD.items() if k[:2] == (history, target_time)}.items():
        rank = ranks.filter((pl.col("method") == method) & pl.col("query").is_in(test.tolist()))["rank"].to_numpy()
        found = [*(hit_at(rank, k).mean() for k in (1, 5, 10)), reciprocal_rank(rank).mean()]
        allowed = ALLOWED.get((history, target_time, method), 0.01)
        assert all(f > e - allowed for f, e in zip(found, expected, strict=True)), (method, found, expected)
    covered = evidence.position(nyc.queries["target"].to_numpy())[test]
    assert ((covered >= 0) & (covered < 20)).mean() > (0.775 if history == "all" else 0.735)
