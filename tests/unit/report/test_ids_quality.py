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
    outcome = _quality(run, SimpleNamespace(semantic_ids=SimpleNamespace(path=stored)))  # type: ignore[arg-type]
    assert outcome == {"table": "# Quality\n\n| a |\n\n- WARNING collapsed"}
    assert (run / "quality.md").read_text(encoding="utf-8") == text
