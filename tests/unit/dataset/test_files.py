import gzip
from pathlib import Path

import pytest

from refinepoi.core.errors import DataError
from refinepoi.dataset.files import LONGEST_LINE, find_file, fingerprint, read_rows

AB = {"first": "a", "second": "b"}


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
        ("x.csv.gz", gzip.compress(b"a,b\n1,2\n")[:-9], "damaged or cut short"),
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
