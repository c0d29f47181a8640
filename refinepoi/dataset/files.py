"""Files of check-ins: finding them, their identity, and their lines as rows of text. Plain or gzip.

One line is one row: a field may be quoted, but may not run over the end of a line, so that a stray quote damages one
row and not the rest of the file. `read_rows` never raises for a bad row: it hands it back with its line and reason.
"""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from refinepoi.core.errors import DataError

if TYPE_CHECKING:
    import polars as pl

PUBLISHED = ("NYC_train.csv", "NYC_val.csv", "NYC_test.csv")
SEPARATORS = {"tab": "\t"}
LONGEST_LINE = 65_536


class Rows(NamedTuple):
    """rows: the wanted columns as text, `file` and `line` (from 1). bad: `file`, `line`, `reason`. total: lines."""

    rows: "pl.DataFrame"
    bad: "pl.DataFrame"
    total: int


def find_file(folder: Path, name: str) -> Path | None:
    """`folder/name` or `folder/name.gz`, whichever is there; the plain one first."""
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None


def fingerprint(file: Path) -> str:
    """sha256 of a file's bytes, remembered while its size and time stay the same."""
    status = file.stat()
    return _sha256(file, status.st_size, status.st_mtime_ns)


@cache
def _sha256(file: Path, _size: int, _changed: int) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def first_line(file: Path, encoding: str) -> str | None:
    """The first line, None where the file is not text in this encoding."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else open(file, "rb") as stream:
            return stream.readline(LONGEST_LINE).decode(_with_bom(encoding)).rstrip("\r\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return None


def split_header(line: str, separator: str) -> list[str]:
    """Column names of a header line; an unreadable one yields none."""
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=SEPARATORS.get(separator, separator)), [])]
    except csv.Error:
        return []


def read_rows(
    file: Path,
    columns: Mapping[str, str],
    separator: str = ",",
    encoding: str = "utf-8",
    header: tuple[str, ...] | None = None,
) -> Rows:
    """All rows of a file as text. `columns`: our name -> name in the file. DataError where the file is of no use."""
    import polars as pl

    separator = SEPARATORS.get(separator, separator)
    text = _read_text(file, encoding)
    lines = pl.DataFrame({"text": [text]}).select(pl.col("text").str.split("\n")).explode("text").with_row_index("line")
    lines = lines.with_columns(pl.col("line").cast(pl.Int64) + 1, pl.col("text").str.strip_suffix("\r"))
    if lines.height and lines["text"][-1] == "":
        lines = lines.head(lines.height - 1)  # the newline that ends the file
    if header is None:
        if not lines.height or not lines["text"][0].strip():
            raise DataError(f"{file.name} line 1: the file has no header line; give dataset.header or another file")
        names = split_header(lines["text"][0], separator)
        lines = lines.slice(1)
    else:
        names = list(header)
    if len(set(names)) != len(names) or not names:
        raise DataError(f"{file.name} line 1: unreadable or doubled column names {names}; mend the header")
    missing = sorted(set(columns.values()) - set(names))
    if missing:
        raise DataError(f"{file.name} line 1: no column {', '.join(missing)}; it has {', '.join(names[:20])}")
    reason = (
        pl.when(pl.col("text").str.strip_chars() == "")
        .then(pl.lit("blank line"))
        .when(pl.col("text").str.len_bytes() > LONGEST_LINE)
        .then(pl.lit(f"line longer than {LONGEST_LINE} bytes"))
        .when(pl.col("text").str.contains("\x00", literal=True))
        .then(pl.lit("NUL character"))
        .when(pl.col("text").str.contains("\ufffd", literal=True))
        .then(pl.lit(f"bytes that are not {encoding}"))
    )
    lines = lines.with_columns(reason=reason)
    quoted = pl.col("text").str.contains('"', literal=True)
    good = lines.filter(pl.col("reason").is_null())
    fields = pl.concat(
        [
            good.filter(~quoted).with_columns(fields=pl.col("text").str.split(separator)),
            good.filter(quoted).with_columns(
                fields=pl.col("text").map_elements(
                    lambda text: _split_quoted(text, separator), return_dtype=pl.List(pl.String)
                )
            ),
        ]
    ).sort("line")
    count = pl.col("fields").list.len()
    fields = fields.with_columns(
        reason=pl.when(pl.col("fields").is_null())
        .then(pl.lit("misplaced or unclosed quote"))
        .when(count != len(names))
        .then(pl.format("{} fields instead of {}", count, pl.lit(len(names))))
    )
    rows = fields.filter(pl.col("reason").is_null()).select(
        pl.lit(file.name).alias("file"),
        "line",
        *(pl.col("fields").list.get(names.index(n)).alias(k) for k, n in columns.items()),
    )
    bad = pl.concat(
        [lines.filter(pl.col("reason").is_not_null()), fields.filter(pl.col("reason").is_not_null())], how="diagonal"
    )
    return Rows(rows, bad.sort("line").select(file=pl.lit(file.name), line="line", reason="reason"), lines.height)


def _split_quoted(text: str, separator: str) -> list[str] | None:
    try:
        rows = list(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _read_text(file: Path, encoding: str) -> str:
    try:
        data = file.read_bytes()
        if file.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read ({error}); the file may be damaged or cut short") from error
    return data.decode(_with_bom(encoding), errors="replace")


def _with_bom(encoding: str) -> str:
    return "utf-8-sig" if encoding == "utf-8" else encoding
