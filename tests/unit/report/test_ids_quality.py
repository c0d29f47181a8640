"""Where the IDs are the goal, their quality report is printed and lies in the run folder."""

from pathlib import Path
from types import SimpleNamespace

from refinepoi.report.run_folder import _quality


def test_the_table_is_for_the_console_and_the_whole_for_the_folder(tmp_path: Path) -> None:
    stored, run = tmp_path / "stored", tmp_path / "run"
    stored.mkdir()
    run.mkdir()
    text = "# Quality\n\n| a |\n\n- WARNING collapsed\n\n## How to read it\n\nlong\n"
    (stored / "quality.md").write_text(text, encoding="utf-8")
    level = {"unexplained_variance": 0.3, "used_cells": 3, "cells": 4, "perplexity": 2.5, "topographic_error": None,
             "trustworthiness": 0.9, "neighbourhood_preservation": 0.8}  # fmt: skip
    report = {
        "ids": {"collision_rate_before": 0.25, "collision_rate": 0.0},
        "levels": [level], "held_out": {"levels": [level | {"unexplained_variance": 0.4}]},
        "prefixes": [{"nicc": 2.0, "nics": None, "purity": 0.5, "kilometres": 1.5}],
    }  # fmt: skip
    ids = SimpleNamespace(path=stored, load=lambda: SimpleNamespace(report=report))
    outcome = _quality(run, SimpleNamespace(semantic_ids=ids))  # type: ignore[arg-type]
    assert outcome["table"] == "# Quality\n\n| a |\n\n- WARNING collapsed"
    # Numbers alone, for the table of a sweep: no `used` (a text), nothing that does not exist.
    assert outcome["metrics"] == {
        "collide": 0.25, "after": 0.0, "left": 0.4, "even": 2.5, "trust": 0.9, "kept": 0.8, "NICC 1": 2.0, "NICC": 2.0,
        "pure": 0.5, "km": 1.5,
    }  # fmt: skip
    assert (run / "quality.md").read_text(encoding="utf-8") == text
