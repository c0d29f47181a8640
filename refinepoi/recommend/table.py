"""Rows of a CSV file as text. Whatever breaks a row is said with the file and the line, before anything is trained."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from refinepoi.core.errors import DataError

FOREIGN = re.compile("[\udc80-\udcff]")  # what `surrogateescape` makes of bytes that are no UTF-8


def read_rows(key: str, file: Path, delimiter: str, filled: Sequence[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """
    Line number and values by column of each row. key: the setting that names the file. filled: columns in which no row
    may be blank. Raises DataError at the first row that breaks.
    """
    with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        reader = csv.DictReader(_readable(key, file, lines), delimiter=delimiter)
        try:
            for row in reader:
                where = f"{key}: line {reader.line_num} of {str(file)!r}"
                if None in row.values() or None in row:
                    raise DataError(f"{where} has another number of columns than the header")
                blank = [name for name in filled if not row[name].strip()]
                if blank:
                    raise DataError(f"{where} has nothing in column {blank[0]!r}; fill it in, or leave the row out")
                yield reader.line_num, row
        except csv.Error as error:
            raise DataError(
                f"{key}: line {reader.reader.line_num} of {str(file)!r} cannot be read ({error}); is a quote left open?"
            ) from None


def problems_of(key: str, file: Path, delimiter: str, wanted: dict[str, str], filled: Sequence[str] = ()) -> list[str]:
    """What is wrong with the whole file. wanted: names of the columns that must be there, by setting."""
    try:
        with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            header = next(csv.reader(_readable(key, file, lines), delimiter=delimiter), [])
        there = ", ".join(header[:20])
        missing = [
            f"{setting if '.' in setting else key}: no column {name!r} in {str(file)!r}; it has {there}"
            for setting, name in wanted.items()
            if name not in header
        ]
        if not missing:
            for _ in read_rows(key, file, delimiter, filled):
                pass
    except OSError as error:
        return [f"{key}: {str(file)!r} cannot be read ({error}); give a CSV file in UTF-8"]
    except csv.Error as error:
        return [f"{key}: line 1 of {str(file)!r} cannot be read ({error}); is a quote left open?"]
    except DataError as error:
        return [str(error)]
    return missing


def _readable(key: str, file: Path, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if FOREIGN.search(line):
            raise DataError(f"{key}: line {number} of {str(file)!r} is no UTF-8; save the file in UTF-8")
        yield line
