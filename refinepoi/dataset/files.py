"""Files of check-ins: finding them, their identity, and their rows as text, block by block.

One line is one row: a field may be quoted, but may not run over the end of a line, so that a stray quote damages one
row and not the rest of the file. `read_rows` never raises for a bad row: it hands it back with its line and reason.
A block in which nothing is odd takes polars' reader; one with a quote, NUL, foreign byte or a row of another length is
taken apart line by line. Both give the same rows (tests/unit/dataset/test_files.py).
"""

import csv
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from refinepoi.core.errors import DataError
from refinepoi.dataset.packed import open_bytes, read_blocks

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = {"tab": "\t"}
LONGEST_LINE = 65_536
BLOCK = 1 << 25
PARQUET_ROWS = 1 << 19


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


def first_line(file: Path, encoding: str, member: str | None = None) -> str | None:
    """The first line, None where it is not text in this encoding. DataError: the file cannot be opened."""
    with open_bytes(file, member) as stream:
        line = stream.readline(LONGEST_LINE)
    try:
        return line.decode(_with_bom(encoding)).rstrip("\r\n")
    except UnicodeDecodeError:
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
    member: str | None = None,
    block: int = BLOCK,
) -> Iterator[Rows]:
    """All rows of a file as text, in blocks. `columns`: our name -> name in the file. DataError: the file is no use."""
    if file.suffix == ".parquet":
        yield from _read_parquet(file, columns)
        return
    separator = SEPARATORS.get(separator, separator)
    names, line = list(header) if header else [], 1
    with open_bytes(file, member) as stream:
        for number, data in enumerate(read_blocks(stream, file, block, LONGEST_LINE)):
            if number == 0 and encoding == "utf-8":
                data = data.removeprefix(b"\xef\xbb\xbf")
            if number == 0 and header is None:
                top, _, data = data.partition(b"\n")
                names, line = _header(file, top, separator, encoding), 2
            if number == 0:
                _check_names(file, names, columns)
            if data or number == 0:
                rows = _plain_rows(file, data, names, columns, separator, encoding, line)
                rows = rows or _odd_rows(file, data, names, columns, separator, encoding, line)
                yield rows
                line += rows.total
        if not names:
            raise DataError(f"{file.name} line 1: the file has no header line; give dataset.header or another file")


def _header(file: Path, top: bytes, separator: str, encoding: str) -> list[str]:
    text = top.decode(encoding, errors="replace").rstrip("\r")
    if not text.strip():
        raise DataError(f"{file.name} line 1: the file has no header line; give dataset.header or another file")
    return split_header(text, separator)


def _check_names(file: Path, names: list[str], columns: Mapping[str, str]) -> None:
    if len(set(names)) != len(names) or not names:
        raise DataError(f"{file.name} line 1: unreadable or doubled column names {names[:20]}; mend the header")
    if missing := sorted(set(columns.values()) - set(names)):
        raise DataError(f"{file.name} line 1: no column {', '.join(missing)}; it has {', '.join(names[:20])}")


def _plain_rows(
    file: Path, data: bytes, names: list[str], columns: Mapping[str, str], separator: str, encoding: str, line: int
) -> Rows | None:
    """The rows of a block where every line has all its fields and nothing else is odd, otherwise None."""
    import numpy as np
    import polars as pl

    if b'"' in data or b"\x00" in data or len(names) < 2:
        return None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if not data.isascii():
        try:
            data = data.decode(encoding).encode()
        except UnicodeDecodeError:
            return None
        if "\ufffd".encode() in data:
            return None
    if not data:
        return None
    if not data.endswith(b"\n"):
        data += b"\n"
    lengths = np.diff(np.flatnonzero(np.frombuffer(data, np.uint8) == 10), prepend=-1)
    lines = len(lengths)
    complete = data.count(separator.encode()) == lines * (len(names) - 1)
    if not complete or lengths.min() < 2 or lengths.max() > LONGEST_LINE or b"\r" in data:
        return None
    try:
        fields = pl.read_csv(  # every column: with fewer, polars does not notice a row with too many fields
            data,
            has_header=False,
            schema={name: pl.String for name in names},
            separator=separator,
            quote_char=None,
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return None  # a row with too many fields
    if fields.height != lines or fields.null_count().sum_horizontal().sum():
        return None
    rows = fields.select(
        pl.lit(file.name).alias("file"),
        pl.int_range(line, line + pl.len(), dtype=pl.Int64).alias("line"),
        *(pl.col(name).alias(ours) for ours, name in columns.items()),
    )
    return Rows(rows, _no_rows(), lines)


def _odd_rows(
    file: Path, data: bytes, names: list[str], columns: Mapping[str, str], separator: str, encoding: str, line: int
) -> Rows:
    """The rows of any block, with the lines that are none and why."""
    import polars as pl

    text = data.decode(encoding, errors="replace")
    lines = pl.DataFrame({"text": [text]}).select(pl.col("text").str.split("\n")).explode("text").with_row_index("line")
    lines = lines.with_columns(pl.col("line").cast(pl.Int64) + line, pl.col("text").str.strip_suffix("\r"))
    if text.endswith("\n") or not text:
        lines = lines.head(lines.height - 1)  # the newline that ends the block
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


def _read_parquet(file: Path, columns: Mapping[str, str]) -> Iterator[Rows]:
    import polars as pl

    try:
        whole = pl.scan_parquet(file, glob=False)
        _check_names(file, whole.collect_schema().names(), columns)
        wanted = whole.select(pl.col(name).alias(ours) for ours, name in columns.items())
        texts = wanted.select(pl.all().cast(pl.String)).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{file}: cannot be read as parquet ({error}); the file may be damaged") from error
    for start in range(0, max(texts.height, 1), PARQUET_ROWS):
        part = texts.slice(start, PARQUET_ROWS).fill_null("")
        line = pl.int_range(start + 1, start + 1 + pl.len(), dtype=pl.Int64)
        yield Rows(part.select(pl.lit(file.name).alias("file"), line.alias("line"), *columns), _no_rows(), part.height)


def _no_rows() -> "pl.DataFrame":
    import polars as pl

    return pl.DataFrame(schema={"file": pl.String, "line": pl.Int64, "reason": pl.String})


def _with_bom(encoding: str) -> str:
    return "utf-8-sig" if encoding == "utf-8" else encoding
