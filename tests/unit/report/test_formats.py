"""Markdown, LaTeX and CSV: the same content, and no text that escapes its cell."""

import csv
import io
import re

import pytest

from refinepoi.report.formats import comma_separated, latex, markdown
from refinepoi.report.tables import Cell, Column, Row, Table

HOSTILE = [
    "a|b", "x\ny", "<script>alert(1)</script>", "[link](javascript:1)", r"\input{/etc/passwd}", "100 % & #1 $x_y^z~{}",
    "=HYPERLINK(1)", "+1+1", "@SUM(A1)", '"quoted", comma', "`code`",
]  # fmt: skip


def table(text: str) -> Table:
    cells = (Cell(text, text), Cell("0.500", 0.5, 0.25, 0.75, 0.01, "sd 0.010", True), Cell("2", 2))
    return Table("t", text, (Column(text, "text"), Column("MRR", "interval"), Column("n")), (Row(cells, 1),))


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_keeps_its_shape(text: str) -> None:
    lines = markdown([("about", table(text))]).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 3
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows), rows
    assert not re.search(r"(?<!\\)[<\[`]", rows[2].replace("\\\\", ""))
    assert r"0.500 \[0.250, 0.750\] (sd 0.010) *" in rows[2]


@pytest.mark.parametrize("text", HOSTILE)
def test_latex_keeps_its_shape(text: str) -> None:
    lines = latex([("about", table(text))]).splitlines()
    row = next(line for line in lines if "textbf" in line)
    assert len(re.findall(r"(?<!\\)&", row)) == 2 and row.endswith(r" \\")
    assert r"\textbf{0.500} {\scriptsize [0.250, 0.750] (sd 0.010)}" in row
    known = "textbackslash textasciitilde textasciicircum textless textgreater textbar textbf scriptsize cdot Delta"
    assert set(re.findall(r"\\([A-Za-z]+)", row)) <= set(known.split())


@pytest.mark.parametrize("text", HOSTILE)
def test_csv_is_read_back(text: str) -> None:
    head, row = csv.reader(io.StringIO(comma_separated([("about", table(text))])))
    assert head[2:] == ["MRR", "MRR low", "MRR high", "MRR sd", "n"]
    assert row[1].removeprefix("'") == text and row[2:] == ["0.5", "0.25", "0.75", "0.01", "2"]
    assert row[1][0] not in "=+-@"


def test_numbers_stay_numbers_in_csv() -> None:
    cells = (Cell("-0.1", -0.1), Cell("-3", "-3"), Cell("1e-5", 1e-5))
    content = comma_separated([("", Table("t", "t", (Column("a"), Column("b", "text"), Column("c")), (Row(cells),)))])
    assert content.splitlines()[1] == ",-0.1,-3,1e-05"
