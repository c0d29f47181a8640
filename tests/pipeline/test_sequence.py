"""`sequence=...` through the command line: one more row of the table, and nothing where it is off."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small import CITY

from refinepoi.experiment import ConfigurationError
from refinepoi.launching.composition import check


def test_a_sequence_model_is_a_row_of_the_table(tmp_path: Path) -> None:
    words = [*CITY, "goal=baseline_metrics", "sequence=gru", "sequence.epochs=1", "sequence.hidden=8", "tracking=off"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "refinepoi", *words, "runtime.progress=false"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((Path(done.stdout.splitlines()[-1]) / "metrics.json").read_text())
    assert {"gru", "counters_e"} <= set(metrics["methods"])
    gru = metrics["methods"]["gru"]
    assert 0 <= gru["Acc@1"] <= gru["Acc@5"] <= gru["Acc@10"] <= 1 and gru["MRR"] > 0
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("goal", ["sequence", "ensemble"])
def test_what_is_off_cannot_be_the_goal(goal: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{goal}: off, but goal={goal}"):
        check([f"goal={goal}"], False)
