"""Opening data files as streams of bytes: plain, gzip, zip. Nothing is ever unpacked to disk.

A zip is judged before it is read: no absolute or climbing names, no links, no doubled names, no encryption, no member
or whole that is too large or too well packed. gzip tells no size beforehand, so it is counted while it is read.
"""

import gzip
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from refinepoi.core.errors import DataError

LARGEST = 32 << 30
"""Bytes a file may have once unpacked."""
DENSEST = 400
"""Times smaller that a packed file may be; check-ins as text pack about 5 to 30 times. Applies beyond SMALL."""
SMALL = 1 << 24
DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError)


@contextmanager
def open_bytes(file: Path, member: str | None = None) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked by its ending. `member`: the file inside a zip; None: its only one."""
    try:
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive, archive.open(choose_member(file, archive, member)) as stream:
                yield stream
        elif file.suffix == ".gz":
            with gzip.open(file) as stream:
                yield stream  # type: ignore[misc]
        else:
            with open(file, "rb") as stream:
                yield stream
    except DataError:
        raise
    except DAMAGED as error:
        raise DataError(f"{file}: cannot be read ({error}); the file may be damaged or cut short") from error


def read_blocks(stream: IO[bytes], file: Path, size: int, longest: int) -> Iterator[bytes]:
    """
    Blocks of whole lines, of about `size` bytes. A line that runs on over `longest` is cut somewhere beyond it, so that
    a file without line ends fits into memory. DataError where a packed file grows beyond all measure.
    """
    rest, total, packed = b"", 0, file.stat().st_size
    while block := stream.read(size):
        total += len(block)
        if total > LARGEST or (file.suffix == ".gz" and total > SMALL and total > DENSEST * packed):
            raise DataError(f"{file}: unpacks to more than {total >> 20} MiB; such a file is not read")
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end]
            rest = block[end:]
        else:
            rest = (rest + block)[: longest + 1]
    if rest:
        yield rest


def choose_member(file: Path, archive: zipfile.ZipFile, member: str | None) -> zipfile.ZipInfo:
    """The wanted member, by its whole name or the last part of it. DataError where the archive is not to be trusted."""
    infos = archive.infolist()
    check_archive(file, infos)
    files = [info for info in infos if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    if member is not None:
        found = [i for i in files if i.filename == member] or [
            i for i in files if PurePosixPath(i.filename).name in (member, f"{member}.gz")
        ]
    else:
        found = files
    if len(found) != 1:
        names = ", ".join(i.filename for i in files[:10])
        wish = f"no single file {member!r}" if member else f"{len(files)} files"
        raise DataError(f"{file}: {wish} in the archive ({names}); name one with dataset.member=...")
    return found[0]


def check_archive(file: Path, infos: list[zipfile.ZipInfo]) -> None:
    """DataError for names that leave the folder, links, doubled names, encryption and bombs."""
    names = [info.filename.casefold().rstrip("/") for info in infos]
    if len(set(names)) != len(names):
        raise DataError(f"{file}: two files of one name in the archive; it is not read")
    total = 0
    for info in infos:
        path = PurePosixPath(info.filename)
        mode = info.external_attr >> 16
        if path.is_absolute() or ".." in path.parts or "\\" in info.filename or PureWindowsPath(info.filename).drive:
            raise DataError(f"{file}: the name {info.filename!r} leads out of the archive; it is not read")
        if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_IFMT(mode) == 0):
            raise DataError(f"{file}: {info.filename!r} is a link or device; the archive is not read")
        if info.flag_bits & 1:
            raise DataError(f"{file}: {info.filename!r} is encrypted; unpack it by hand")
        total += info.file_size
        if info.file_size > SMALL and info.file_size > DENSEST * max(info.compress_size, 1):
            raise DataError(f"{file}: {info.filename!r} is packed more than {DENSEST} times; the archive is not read")
    if total > LARGEST:
        raise DataError(f"{file}: unpacks to {total >> 20} MiB, more than {LARGEST >> 20}; it is not read")
