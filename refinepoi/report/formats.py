"""A table as Markdown, LaTeX (booktabs) or CSV. Text of others (override values, names) is escaped for each."""

import csv
import io
import re
from collections.abc import Callable, Sequence

from refinepoi.report.tables import Cell, Column, Row, Table

Section = tuple[str, Table]
"""What holds for all rows (the protocol), and the table."""
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "–": "--", "·": r"$\cdot$", "Δ": r"$\Delta$",
}  # fmt: skip
_FORMULA = re.compile(r"^[=+\-@\t\r]")


def markdown(sections: Sequence[Section]) -> str:
    parts = []
    for about, table in sections:
        head = [_markdown(column.title) for column in table.columns]
        rule = ["---" if column.kind == "text" else "--:" for column in table.columns]
        body = [[_markdown(_said(cell)) + (" *" if cell.best else "") for cell in row.cells] for row in table.rows]
        lines = [f"| {' | '.join(cells)} |" for cells in (head, rule, *body)]
        parts.append(f"## {_markdown(table.title)}\n\n{_markdown(about)}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def latex(sections: Sequence[Section]) -> str:
    r"""Needs \usepackage{booktabs}. Configurations and counters are parted by a rule; the best is bold."""
    parts = []
    for about, table in sections:
        form = "".join("l" if column.kind == "text" else "r" for column in table.columns)
        head = " & ".join(_latex(column.title) for column in table.columns)
        body = []
        for n, row in enumerate(table.rows):
            if n and table.rows[n - 1].configuration and not row.configuration:
                body.append(r"\midrule")
            body.append(" & ".join(_latex_cell(cell) for cell in row.cells) + r" \\")
        parts.append(
            "\n".join(
                [
                    r"\begin{table}", r"\centering", rf"\caption{{{_latex(table.title)}. {_latex(about)}}}",
                    rf"\begin{{tabular}}{{{form}}}", r"\toprule", rf"{head} \\", r"\midrule", *body, r"\bottomrule",
                    r"\end{tabular}", r"\end{table}", "",
                ]
            )
        )  # fmt: skip
    return "\n".join(parts)


def comma_separated(sections: Sequence[Section]) -> str:
    """Full precision. An interval is three columns (value, low, high), four where there are several seeds (sd)."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for about, table in sections:
        widths = [_parts(column, [row.cells[n] for row in table.rows]) for n, column in enumerate(table.columns)]
        head = [
            f"{column.title}{part}" for column, parts in zip(table.columns, widths, strict=True) for part, _ in parts
        ]
        writer.writerow(["protocol", *(_harmless(title) for title in head)])
        for row in table.rows:
            writer.writerow([_harmless(about), *(value for value in _row(row, widths))])
    return stream.getvalue()


WRITERS: dict[str, tuple[str, Callable[[Sequence[Section]], str]]] = {
    "markdown": (".md", markdown), "latex": (".tex", latex), "csv": (".csv", comma_separated),
}  # fmt: skip
"""Format -> suffix and writer."""

Part = tuple[str, Callable[[Cell], float | str | None]]


def _parts(column: Column, cells: Sequence[Cell]) -> list[Part]:
    parts: list[Part] = [("", lambda cell: cell.text if cell.value is None else cell.value)]
    if any(cell.low is not None for cell in cells):
        parts += [(" low", lambda cell: cell.low), (" high", lambda cell: cell.high)]
    if any(cell.sd is not None for cell in cells):
        parts.append((" sd", lambda cell: cell.sd))
    return parts


def _row(row: Row, widths: Sequence[Sequence[Part]]) -> list[str | float]:
    values = [take(cell) for cell, parts in zip(row.cells, widths, strict=True) for _, take in parts]
    return ["" if v is None else _harmless(v) if isinstance(v, str) else v for v in values]


def _said(cell: Cell) -> str:
    interval = "" if cell.low is None or cell.high is None else f" [{cell.low:.3f}, {cell.high:.3f}]"
    return f"{cell.text}{interval}{f' ({cell.note})' if cell.note else ''}"


def _markdown(text: str) -> str:
    """No cell can end its column, start markup or HTML."""
    return re.sub(r"([\\|`*_\[\]<>])", r"\\\1", " ".join(text.split()))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _latex_cell(cell: Cell) -> str:
    text = _latex(cell.text)
    rest = _latex(_said(cell)[len(cell.text) :])
    return (rf"\textbf{{{text}}}" if cell.best else text) + (rf" {{\scriptsize {rest.strip()}}}" if rest else "")


def _harmless(text: str) -> str:
    """A spreadsheet computes text that begins with = + - @: an apostrophe makes it text. Numbers stay numbers."""
    try:
        float(text)
    except ValueError:
        return f"'{text}" if _FORMULA.match(text) else text
    return text
