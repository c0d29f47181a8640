"""`sequence=...` through the command line: one more row of the table, and nothing where it is off."""

import json
from pathlib import Path

import pytest
from command import last_line, refinepoi
from small import CITY

from refinepoi.experiment import ConfigurationError
from refinepoi.launching.composition import check


def test_a_sequence_model_is_a_row_of_the_table(tmp_path: Path) -> None:
    words = [*CITY, "goal=baseline_metrics", "sequence=gru", "sequence.epochs=1", "sequence.hidden=8", "tracking=off"]
    done = refinepoi(tmp_path, *words, "runtime.progress=false")
    metrics = json.loads((last_line(done) / "metrics.json").read_text())
    assert {"gru", "counters_e"} <= set(metrics["methods"])
    gru = metrics["methods"]["gru"]
    assert 0 <= gru["Acc@1"] <= gru["Acc@5"] <= gru["Acc@10"] <= 1 and gru["MRR"] > 0
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("goal", ["sequence", "ensemble"])
def test_what_is_off_cannot_be_the_goal(goal: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{goal}: off, but goal={goal}"):
        check([f"goal={goal}"], False)
