"""Fetching published files: from documented addresses, resumed after a break, into place only if the sha256 is right.

A file grows as `NAME.part` in the cache; a mirror that breaks off is asked again for the rest. A wrong digest throws
the part away: where some of it came from elsewhere the same mirror sends the whole, otherwise the next one is asked.
What stands in the cache under its own name has been checked. Nothing is unpacked: readers open gzip and zip as they are
(`packed.py`).
"""

import hashlib
import os
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from filelock import FileLock

from refinepoi import __version__
from refinepoi.core.errors import DataError

if TYPE_CHECKING:
    from refinepoi.dataset.remote_spec import FromFiles, Remote

PIECE = 1 << 18
TRIES = 4
"""Times a mirror may break off before the next one is asked."""
SECONDS = 30.0
"""Silence after which a connection is given up."""


class MirrorFailed(Exception):
    """One mirror gave no good file; the next is asked."""


def fetch_all(spec: "FromFiles", progress: Callable[..., Any]) -> None:
    """Fetch what `spec.download` wants and the cache does not have. DataError where no mirror gives the right bytes."""
    for remote in spec.wanted():
        fetch(remote, spec.cached(remote), progress, spec.by_hand)


def fetch(remote: "Remote", target: Path, progress: Callable[..., Any], by_hand: str) -> None:
    """`target` holds the published bytes afterwards. progress: `Context.progress`."""
    if remote.sha256 is None:
        raise DataError(f"dataset.download: no sha256 is pinned for {remote.file}. {by_hand}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f"{target.name}.lock")):
        if target.exists():
            if digest(target) == remote.sha256:
                return
            os.replace(target, target.with_name(f"{target.name}.damaged"))
        failures = []
        for url in remote.urls:
            part = target.with_name(f"{target.name}.part")
            try:
                _from_mirror(url, part, remote, progress)
            except MirrorFailed as failure:
                failures.append(f"  {url}: {failure}")
                continue
            os.replace(part, target)
            return
    raise DataError("\n".join([f"dataset.download: no mirror gave {remote.file}", *failures, by_hand]))


def digest(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _from_mirror(url: str, part: Path, remote: "Remote", progress: Callable[..., Any]) -> None:
    """Fill `part` from one mirror, going on where it stands. MirrorFailed where it is not the published file."""
    found = ""
    for _ in range(2 if part.exists() else 1):  # a second time from zero: what was there may be another file's
        _fill(url, part, remote, progress)
        found, size = digest(part), part.stat().st_size
        if found == remote.sha256:
            return
        part.unlink()
    raise MirrorFailed(f"wrong content: {size} bytes with sha256 {found[:16]}..., not {str(remote.sha256)[:16]}...")


def _fill(url: str, part: Path, remote: "Remote", progress: Callable[..., Any]) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            _go_on(url, part, remote, progress)
            return
        except HTTPError as error:
            if error.code == 416 and part.exists():  # nothing left to send: the part is whole, or of another file
                return
            raise MirrorFailed(f"HTTP {error.code} {error.reason}") from error
        except (OSError, HTTPException) as error:
            if attempt == TRIES:
                raise MirrorFailed(f"{type(error).__name__}: {error}") from error


def _go_on(url: str, part: Path, remote: "Remote", progress: Callable[..., Any]) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": f"refinepoi/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with urlopen(Request(url, headers=headers), timeout=SECONDS) as answer:
        if urlsplit(answer.url).scheme not in ("http", "https"):
            raise MirrorFailed(f"leads to {answer.url}")
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if resumed else 0
        length = answer.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        if total is not None and total > remote.max_bytes:
            raise MirrorFailed(f"{total} bytes, more than max_bytes={remote.max_bytes}")
        with (
            open(part, "ab" if resumed else "wb") as file,
            progress(total=total, unit="B") as bar,
        ):
            bar.update(have)
            while piece := answer.read(PIECE):
                have += len(piece)
                if have > remote.max_bytes:
                    raise MirrorFailed(f"more than max_bytes={remote.max_bytes}")
                file.write(piece)
                bar.update(len(piece))
    if total is not None and have < total:
        raise ConnectionError(f"broke off after {have} of {total} bytes")
