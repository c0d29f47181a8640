import gzip
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from refinepoi.core.errors import DataError
from refinepoi.dataset import files
from refinepoi.dataset.files import LONGEST_LINE, Rows, find_file, fingerprint

AB = {"first": "a", "second": "b"}


def read_rows(file: Path, *settings: Any, **more: Any) -> Rows:
    """All blocks as one."""
    blocks = list(files.read_rows(file, *settings, **more))
    rows, bad = (pl.concat(part) for part in zip(*[(b.rows, b.bad) for b in blocks], strict=True))
    return Rows(rows, bad, sum(b.total for b in blocks))


def write(folder: Path, content: bytes, name: str = "x.csv") -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def test_wanted_columns_by_our_names_with_lines(tmp_path: Path) -> None:
    found = read_rows(write(tmp_path, b"b,c,a\n1,x,2\n3,y,4\n"), AB)
    assert found.rows.rows() == [("x.csv", 2, "2", "1"), ("x.csv", 3, "4", "3")]
    assert found.bad.height == 0 and found.total == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1", "1 fields instead of 2"),
        (b"1,2,3", "3 fields instead of 2"),
        (b"", "blank line"),
        (b"   ", "blank line"),
        (b"1,\x002", "NUL character"),
        (b"1,\xff", "bytes that are not utf-8"),
        (b'"1,2', "misplaced or unclosed quote"),
        (b'"1"x,2', "misplaced or unclosed quote"),
        (b"1," + b"x" * LONGEST_LINE, f"line longer than {LONGEST_LINE} bytes"),
    ],
)
def test_a_bad_line_is_handed_back_alone(tmp_path: Path, line: bytes, reason: str) -> None:
    found = read_rows(write(tmp_path, b"a,b\n1,2\n" + line + b"\n3,4\n"), AB)
    assert found.bad.rows() == [("x.csv", 3, reason)]
    assert found.rows["line"].to_list() == [2, 4]
    assert found.total == 3


def test_quotes_hold_separators_and_quotes(tmp_path: Path) -> None:
    found = read_rows(write(tmp_path, b'a,b\n"Food, Drink","say ""hi"""\n'), AB)
    assert found.rows.row(0)[2:] == ("Food, Drink", 'say "hi"')


@pytest.mark.parametrize("content", [b"a,b\r\n1,2\r\n", b"\xef\xbb\xbfa,b\n1,2\n", b"a,b\n1,2"])
def test_line_ends_and_byte_order_mark(tmp_path: Path, content: bytes) -> None:
    found = read_rows(write(tmp_path, content), AB)
    assert found.rows.rows() == [("x.csv", 2, "1", "2")] and found.bad.height == 0


def test_no_header_line_tabs_and_latin_1(tmp_path: Path) -> None:
    found = read_rows(write(tmp_path, "1\tCafé\n".encode("latin-1")), AB, "tab", "latin-1", ("a", "b"))
    assert found.rows.rows() == [("x.csv", 1, "1", "Café")]


def test_gzip_and_plain_give_the_same(tmp_path: Path) -> None:
    plain = read_rows(write(tmp_path, b"a,b\n1,2\n"), AB)
    packed = read_rows(write(tmp_path, gzip.compress(b"a,b\n1,2\n"), "y.csv.gz"), AB)
    assert plain.rows.drop("file").equals(packed.rows.drop("file"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"", "no header line"),
        ("x.csv", b"a,a\n", "doubled column names"),
        ("x.csv", b"a,c\n1,2\n", "no column b"),
        ("x.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "damaged or cut short"),
        ("x.csv.gz", b"a,b\n1,2\n", "damaged or cut short"),
    ],
)
def test_a_useless_file_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_rows(write(tmp_path, content, name), AB)


def test_the_plain_file_comes_first(tmp_path: Path) -> None:
    assert find_file(tmp_path, "x.csv") is None
    packed = write(tmp_path, b"", "x.csv.gz")
    assert find_file(tmp_path, "x.csv") == packed
    assert find_file(tmp_path, "x.csv") != write(tmp_path, b"") == find_file(tmp_path, "x.csv")


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    file = write(tmp_path, b"abc")
    before = fingerprint(file)
    assert before.startswith("ba7816bf8f01cfea")  # sha256 of "abc"
    write(tmp_path, b"abcd")
    assert fingerprint(file) != before


LINES = [
    b"1,2",
    b"a,",
    b",",
    b"\xc3\xa9,x",
    b"1",
    b"1,2,3",
    b"",
    b"  ",
    b"1,\x00",
    b"1,\xff",
    b'"1,2"',
    b'"1",2',
    b"1,2\r",
    b"\r",
]


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_both_ways_of_reading_a_block_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    draw, taken = random.Random(0), 0
    for trial in range(300):
        kinds = LINES[:4] if trial % 2 else LINES
        content = b"\n".join([b"a,b", *draw.choices(kinds, k=draw.randrange(1, 6))]) + end
        file = write(tmp_path, content)
        fast = read_rows(file, AB)
        with monkeypatch.context() as patch:
            patch.setattr(files, "_plain_rows", lambda *_: None)
            slow = read_rows(file, AB)
        assert fast.rows.equals(slow.rows) and fast.bad.equals(slow.bad) and fast.total == slow.total, content
        taken += files._plain_rows(file, content.partition(b"\n")[2], ["a", "b"], AB, ",", "utf-8", 2) is not None
    assert 50 < taken < 250


def test_blocks_of_any_size_give_the_same_rows(tmp_path: Path) -> None:
    content = b"a,b\n" + b"".join(b"%d,caf\xc3\xa9 %d\n" % (n, n * n) for n in range(50)) + b"bad\n9,9"
    file = write(tmp_path, content)
    whole = read_rows(file, AB)
    assert whole.total == 52 and whole.bad["line"].to_list() == [52]
    for size in (5, 7, 64, 1000):
        parts = read_rows(file, AB, block=size)
        assert parts.rows.equals(whole.rows) and parts.bad.equals(whole.bad) and parts.total == whole.total


def test_parquet_gives_the_rows_of_the_csv(tmp_path: Path) -> None:
    text = read_rows(write(tmp_path, b"a,b,c\n1,2.5,x\n3,,y\n"), AB)
    table = pl.DataFrame({"a": [1, 3], "b": [2.5, None], "c": ["x", "y"]})
    table.write_parquet(tmp_path / "x.parquet")
    found = read_rows(tmp_path / "x.parquet", AB)
    assert found.rows.select("first", "second").equals(text.rows.select("first", "second"))
    assert found.total == 2 and found.rows["line"].to_list() == [1, 2]
    (tmp_path / "y.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        read_rows(tmp_path / "y.parquet", AB)
    with pytest.raises(DataError, match="no column d"):
        read_rows(tmp_path / "x.parquet", {"first": "a", "second": "d"})
