"""Fetching from a local server that sends files whole, in parts, cut short, tampered with, or not at all."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from runtimes import runtime

from refinepoi.core.errors import DataError
from refinepoi.core.stage import progress_bar
from refinepoi.core.store import Store
from refinepoi.dataset import download
from refinepoi.dataset.download import fetch
from refinepoi.dataset.remote_spec import Remote
from refinepoi.dataset.stage import make_trajectories

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
progress = partial(progress_bar, "test", shown=False)


class Mirror(BaseHTTPRequestHandler):
    """/whole, /cut (half of what is asked for, twice), /stubborn (ignores Range), /tampered, /large, /none."""

    files: dict[str, bytes]
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        begin = self.headers.get("Range")
        self.asked.append((self.path, begin))
        name = self.path.strip("/")
        content = self.files.get(name, CONTENT)
        if name == "none":
            self.send_error(404, "Not Found")
            return
        if name == "tampered":
            content = content[:-1] + b"!"
        start = int(begin.removeprefix("bytes=").rstrip("-")) if begin and name != "stubborn" else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(10**12 if name == "large" else len(content) - start))
        self.end_headers()
        short = name == "cut" and sum(path == "/cut" for path, _ in self.asked) <= 2
        self.wfile.write(content[start : start + (len(content) - start) // 2] if short else content[start:])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[Mirror]]]:
    handler = type("OneMirror", (Mirror,), {"files": {}, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", handler
        running.shutdown()
        thread.join()


def remote(base: str, *names: str, sha256: str | None = SHA256, max_bytes: int = 10**7) -> Remote:
    urls = tuple(f"{base}/{name}" for name in names)
    return Remote(file="data.bin", sets="path", urls=urls, sha256=sha256, max_bytes=max_bytes, rows=None)


def test_a_file_is_fetched_once(server: tuple[str, type[Mirror]], tmp_path: Path) -> None:
    base, mirror = server
    target = tmp_path / "cache" / "data.bin"
    for _ in range(2):
        fetch(remote(base, "whole"), target, progress, "")
    assert target.read_bytes() == CONTENT and mirror.asked == [("/whole", None)]
    assert not target.with_name("data.bin.part").exists()


def test_a_broken_transfer_goes_on_where_it_stopped(server: tuple[str, type[Mirror]], tmp_path: Path) -> None:
    base, mirror = server
    target = tmp_path / "data.bin"
    fetch(remote(base, "cut"), target, progress, "")
    assert target.read_bytes() == CONTENT
    half = len(CONTENT) // 2
    assert mirror.asked == [("/cut", None), ("/cut", f"bytes={half}-"), ("/cut", f"bytes={half + half // 2}-")]


def test_a_part_of_an_earlier_run_is_used(server: tuple[str, type[Mirror]], tmp_path: Path) -> None:
    base, mirror = server
    target = tmp_path / "data.bin"
    for part, asked in ((CONTENT[:1000], "bytes=1000-"), (CONTENT, f"bytes={len(CONTENT)}-")):
        target.unlink(missing_ok=True)
        target.with_name("data.bin.part").write_bytes(part)
        fetch(remote(base, "whole"), target, progress, "")
        assert target.read_bytes() == CONTENT and mirror.asked[-1] == ("/whole", asked)


def test_a_mirror_without_ranges_starts_again(server: tuple[str, type[Mirror]], tmp_path: Path) -> None:
    target = tmp_path / "data.bin"
    target.with_name("data.bin.part").write_bytes(CONTENT[:1000])
    fetch(remote(server[0], "stubborn"), target, progress, "")
    assert target.read_bytes() == CONTENT


def test_a_part_of_another_file_costs_no_mirror(
    server: tuple[str, type[Mirror]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, mirror = server
    target = tmp_path / "data.bin"
    target.with_name("data.bin.part").write_bytes(b"other" * 100)
    fetch(remote(base, "whole"), target, progress, "")
    assert target.read_bytes() == CONTENT and mirror.asked == [("/whole", "bytes=500-"), ("/whole", None)]
    # What a mirror left that broke off is no fault of the next.
    monkeypatch.setattr(download, "TRIES", 1)
    mirror.files["cut"] = bytes(len(CONTENT))
    target.unlink()
    fetch(remote(base, "cut", "whole"), target, progress, "")
    assert target.read_bytes() == CONTENT


def test_bad_mirrors_are_named_and_nothing_is_left(
    server: tuple[str, type[Mirror]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TRIES", 2)
    base, _ = server
    target = tmp_path / "data.bin"
    urls = ("tampered", "none", "large")
    silent = "http://127.0.0.1:9/"
    wanted = remote(base, *urls)
    wanted = wanted.model_copy(update={"urls": (*wanted.urls, silent)})
    with pytest.raises(DataError) as caught:
        fetch(wanted, target, progress, "Fetch it by hand from its page")
    first, *lines, last = str(caught.value).splitlines()
    assert first == "dataset.download: no mirror gave data.bin" and last == "Fetch it by hand from its page"
    assert f"{base}/tampered: wrong content: {len(CONTENT)} bytes with sha256" in lines[0]
    assert lines[1].endswith("none: HTTP 404 Not Found") and "more than max_bytes=10000000" in lines[2]
    assert silent in lines[3] and "refused" in lines[3]
    assert not target.exists()


def test_a_good_mirror_after_a_tampered_one(server: tuple[str, type[Mirror]], tmp_path: Path) -> None:
    fetch(remote(server[0], "tampered", "whole"), tmp_path / "data.bin", progress, "")
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_damaged_cache_is_fetched_again(server: tuple[str, type[Mirror]], tmp_path: Path) -> None:
    target = tmp_path / "data.bin"
    target.write_bytes(b"rot")
    fetch(remote(server[0], "whole"), target, progress, "")
    assert target.read_bytes() == CONTENT and (tmp_path / "data.bin.damaged").read_bytes() == b"rot"


def test_without_a_checksum_nothing_is_fetched(server: tuple[str, type[Mirror]], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no sha256 is pinned for data\.bin\. Ask the authors"):
        fetch(remote(server[0], "whole", sha256=None), tmp_path / "data.bin", progress, "Ask the authors")
    assert server[1].asked == []


def test_a_run_downloads_checks_and_counts(
    server: tuple[str, type[Mirror]], small_csv: Callable[..., Any], visits: list[str], tmp_path: Path
) -> None:
    base, mirror = server
    content = Path(small_csv(visits).path).read_bytes()
    mirror.files["data.csv"] = content
    sha = hashlib.sha256(content).hexdigest()
    entry = {"file": "data.csv", "sets": "path", "urls": [f"{base}/data.csv"], "max_bytes": 10**6}
    changes = {"path": None, "download": True, "cache": str(tmp_path / "cache")}
    spec = small_csv(visits, changes | {"remote": [entry | {"sha256": sha, "rows": 180}]})
    assert spec.problems() == [] and spec.fingerprint == {"path": sha}
    made = Store(tmp_path / "store", runtime()).get(make_trajectories, [spec])
    assert made.load().facts["report"]["rows_read"] == 180
    again = small_csv(visits, changes | {"remote": [entry | {"sha256": sha, "rows": 180}]})
    assert Store(tmp_path / "store", runtime()).get(make_trajectories, [again]).hit, "the key is the pinned checksum"
    wrong = small_csv(visits, changes | {"remote": [entry | {"sha256": sha, "rows": 181}]})
    with pytest.raises(DataError, match=r"data\.csv: 180 rows, published with 181"):
        Store(tmp_path / "store", runtime()).get(make_trajectories, [wrong])
