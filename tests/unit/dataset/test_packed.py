"""Opening zip and gzip: what is refused before a byte of it is read."""

import gzip
import io
import stat
import zipfile
from pathlib import Path

import pytest

from refinepoi.core.errors import DataError
from refinepoi.dataset import packed
from refinepoi.dataset.packed import open_bytes, read_blocks


def zipped(folder: Path, *members: tuple[str | zipfile.ZipInfo, bytes], name: str = "x.zip") -> Path:
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return folder / name


def content_of(file: Path, member: str | None = None) -> bytes:
    with open_bytes(file, member) as stream:
        return stream.read()


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_the_only_file_or_the_named_one(tmp_path: Path) -> None:
    one = zipped(tmp_path, ("folder/", b""), ("folder/a.txt", b"A"), ("__MACOSX/folder/._a.txt", b"junk"))
    assert content_of(one) == b"A"
    two = zipped(tmp_path, ("folder/a.txt", b"A"), ("b.txt", b"B"))
    assert content_of(two, "a.txt") == b"A" and content_of(two, "b.txt") == b"B"
    with pytest.raises(
        DataError, match=r"2 files in the archive \(folder/a.txt, b.txt\); name one with dataset.member"
    ):
        content_of(two)
    with pytest.raises(DataError, match=r"no single file 'c\.txt'"):
        content_of(two, "c.txt")


@pytest.mark.parametrize("name", ["../a.txt", "a/../../b.txt", "/etc/passwd", "..\\a.txt", "C:/a.txt"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="leads out of the archive"):
        content_of(zipped(tmp_path, ("a.txt", b"A"), (name, b"B")), "a.txt")


def test_links_doubled_names_and_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="is a link or device"):
        content_of(zipped(tmp_path, ("a.txt", b"A"), (link("b.txt"), b"/etc/passwd")), "a.txt")
    with pytest.warns(UserWarning, match="Duplicate name"):
        doubled = zipped(tmp_path, ("a.txt", b"A"), ("a.txt", b"B"))
    with pytest.raises(DataError, match="two files of one name"):
        content_of(doubled, "a.txt")
    with pytest.raises(DataError, match="two files of one name"):
        content_of(zipped(tmp_path, ("a.txt", b"A"), ("A.TXT", b"B")), "a.txt")
    with pytest.raises(DataError, match="packed more than 400 times"):
        content_of(zipped(tmp_path, ("a.txt", bytes(packed.SMALL + 1))))
    monkeypatch.setattr(packed, "LARGEST", 10)
    with pytest.raises(DataError, match="unpacks to 0 MiB"):
        content_of(zipped(tmp_path, ("a.txt", b"0123456789A")))


def test_a_gzip_bomb_is_stopped_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "SMALL", 1000)
    file = tmp_path / "x.gz"
    file.write_bytes(gzip.compress(bytes(1_000_000)))
    with pytest.raises(DataError, match="such a file is not read"), open_bytes(file) as stream:
        for _ in read_blocks(stream, file, 4096, 100):
            pass


@pytest.mark.parametrize("name", ["x.zip", "x.gz"])
def test_damage_is_a_data_error(tmp_path: Path, name: str) -> None:
    whole = zipped(tmp_path, ("a.txt", b"A" * 999)).read_bytes() if name == "x.zip" else gzip.compress(b"A" * 999)
    for content in (b"nothing", whole[:-9], whole[: len(whole) // 2]):  # an empty .gz is an empty file
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="damaged or cut short"):
            content_of(tmp_path / name)


@pytest.mark.parametrize("size", [1, 3, 8, 100])
def test_blocks_end_at_line_ends(tmp_path: Path, size: int) -> None:
    content = b"one\ntwo\n\nthree and more\nlast"
    file = tmp_path / "x"
    file.write_bytes(content)
    blocks = list(read_blocks(io.BytesIO(content), file, size, 100))
    assert b"".join(blocks) == content and all(block.endswith(b"\n") for block in blocks[:-1])


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"a\n" + b"x" * 100_000 + b"\nb\n")
    with open(file, "rb") as stream:
        blocks = list(read_blocks(stream, file, 64, longest=200))
    first, long, last = b"".join(blocks).splitlines()
    assert (first, last) == (b"a", b"b") and 200 < len(long) < 400
    assert max(map(len, blocks)) < 400
