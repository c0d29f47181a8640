"""Files of answers: what a spreadsheet makes of them."""

import csv
from pathlib import Path

import pytest

from refinepoi.recommend.answers import COLUMNS, write_csv


def written(path: Path, **cells: object) -> dict[str, str]:
    place = dict.fromkeys(COLUMNS[3:-1]) | {name: cell for name, cell in cells.items() if name != "reasoning"}
    answer = {"user": "ann", "trip": None, "when": "2024-02-01", "reasoning": cells.get("reasoning"), "history": []}
    write_csv(path, {"answers": [answer | {"places": [place]}]})
    with open(path, encoding="utf-8", newline="") as file:
        return next(csv.DictReader(file))


@pytest.mark.parametrize("text", ["=1+1", "+1-HYPERLINK(A1)", "-2+3", "@SUM(A1)", "\t=1", "\n=1", "-", "-5\n"])
@pytest.mark.parametrize("column", ["reasoning", "name", "category", "poi_id"])
def test_no_cell_is_a_formula(tmp_path: Path, column: str, text: str) -> None:
    assert written(tmp_path / "told.csv", **{column: text})[column] == "'" + text


@pytest.mark.parametrize("text", ["Gym first - then home.", "2=2", "", "-73.98", "+5", "'quoted'"])
def test_other_text_stays_as_it_is(tmp_path: Path, text: str) -> None:
    row = written(tmp_path / "told.csv", reasoning=text, poi_id=text, longitude=-73.98)
    assert (row["reasoning"], row["poi_id"], row["longitude"]) == (text, text, "-73.98")


def test_a_bare_return_begins_no_row(tmp_path: Path) -> None:
    assert written(tmp_path / "told.csv", reasoning="Gym,\r=1+1\r\nthen")["reasoning"] == "Gym,\n=1+1\nthen"
    assert written(tmp_path / "told.csv", reasoning="\r=1+1")["reasoning"] == "'\n=1+1"
