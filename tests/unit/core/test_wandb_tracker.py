"""The W&B run of a job: what lands in its file, and that no server, key or failure can stop or delay the job.

Runs are read back from the `.wandb` file itself (LevelDB log blocks after a 7-byte header, then protobuf records).
Servers are local stubs; the home folder and the netrc file are temporary, so that no account of this machine is used.
"""

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from refinepoi.core import wandb_tracker
from refinepoi.core.tracking import NoTracker, StageLog
from refinepoi.core.tracking_spec import OffSpec, WandbSpec, open_tracker
from refinepoi.core.wandb_tracker import HIDDEN, WandbTracker, flat, without_secrets

KEY = "0123456789abcdef" * 2 + "01234567"  # 40 digits, of no account


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder of nobody: no login, no settings."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [n for n in os.environ if n.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    yield home
    assert not [p for p in home.rglob("*") if p.is_file()], "something was written into the home folder"


def spec(mode: str = "auto") -> WandbSpec:
    return WandbSpec(kind="wandb", project="proj", entity=None, mode=mode, tags=("mine",), system=False)  # type: ignore[arg-type]


def records(folder: Path) -> list[Any]:
    """All records of the only run file in a run folder."""
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = {f.resolve() for f in folder.glob("wandb/*/*.wandb")}  # `latest-run` is a link
    data, found, parts, at = file.read_bytes(), [], b"", 7
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record = Record()
            record.ParseFromString(parts)
            found.append(record)
            parts = b""
    return found


def history(found: list[Any]) -> list[dict[str, Any]]:
    rows = []
    for record in found:
        if record.WhichOneof("record_type") == "history":
            items = ((i.key or "/".join(i.nested_key), json.loads(i.value_json)) for i in record.history.item)
            rows.append({k: v for k, v in items if not k.startswith("_")})
    return rows


def of_kind(found: list[Any], kind: str) -> list[Any]:
    return [getattr(r, kind) for r in found if r.WhichOneof("record_type") == kind]


class Server:
    """A stub W&B server. `answer(path, query)` gives (status, body) or None to never answer."""

    def __init__(self, answer: Callable[[str, str], tuple[int, dict[str, Any]] | None]) -> None:
        self.asked: list[str] = []
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked.append(f"{self.path} {self.headers.get('Authorization')} {body[:2000]!r}")
                answered = answer(self.path, body.decode(errors="replace"))
                if answered is None:
                    outer.closing.wait(60)
                    return
                data = json.dumps(answered[1]).encode()
                self.send_response(answered[0])
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def close(self) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    servers = []

    def start(answer: Callable[[str, str], tuple[int, dict[str, Any]] | None]) -> Server:
        servers.append(Server(answer))
        monkeypatch.setenv("WANDB_BASE_URL", servers[-1].url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        return servers[-1]

    yield start
    for server in servers:
        with contextlib.suppress(OSError):
            server.close()


def well(path: str, query: str) -> tuple[int, dict[str, Any]]:
    """What a W&B server answers, as far as a run needs it."""
    if "upsertBucket" in query:
        project = {"id": "p", "name": "proj", "entity": {"id": "e", "name": "ent"}}
        bucket = {"id": "b", "name": "n", "displayName": "n", "project": project, "historyLineCount": 0}
        return 200, {"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}}
    if "createRunFiles" in query:
        return 200, {"data": {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": []}}}
    if "viewer" in query:
        return 200, {"data": {"viewer": {"id": "v", "entity": "ent", "username": "u", "flags": "{}"}}}
    return 200, {"data": {}}


def test_an_offline_run_holds_every_stage_on_its_own_axis(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "umatrix.png"
    Image.new("RGB", (4, 4), (1, 2, 3)).save(picture)
    config = {"quantizer": {"levels": ["16x16", "8x8"], "sigma": 0.5}, "entity": None, "seeds": [0, 1]}
    with open_tracker(spec(), folder=tmp_path / "run", name="n", group="g", tags=("exp",), config=config) as tracker:
        assert isinstance(tracker, WandbTracker)
        for stage in ("train_sft", "train_grpo"):  # both restart at step 1
            log = StageLog(stage, tracker)
            for step in (1, 2, 3):
                log.metrics({"loss": 1 / step, "rewards/rank": step, "bad": float("nan")}, step)
        StageLog("quantize", tracker).image("missing", tmp_path / "missing.png")  # stops nothing
        StageLog("quantize", tracker).image("umatrix", picture)
        page = tmp_path / "ids.html"
        page.write_text("<title>as it is</title>")
        StageLog("quantize", tracker).page("missing", tmp_path / "missing.html")
        StageLog("quantize", tracker).page("ids", page)
        StageLog("predict", tracker).table("samples", ["prompt", "rank"], [["<b>a</b>", 1], [None, 2.5]])
        tracker.summary({"policy": {"Acc@1": 0.375, "Acc@1_interval": [0.3, 0.4]}, "samples": 1348})
        tracker.alert("train_grpo: entropy collapse", "lower grpo.learning_rate")
    assert capfd.readouterr() == ("", "")
    found = records(tmp_path / "run")
    rows = history(found)
    for stage in ("train_sft", "train_grpo"):
        curve = [
            (r[f"{stage}/step"], r[f"{stage}/loss"], r[f"{stage}/rewards/rank"]) for r in rows if f"{stage}/step" in r
        ]
        assert curve == [(1, 1.0, 1), (2, 0.5, 2), (3, 1 / 3, 3)]
    assert not any("bad" in key for row in rows for key in row)
    axes = {m.glob_name: m.step_metric for m in of_kind(found, "metric") if m.glob_name}
    assert axes == {"train_sft/*": "train_sft/step", "train_grpo/*": "train_grpo/step"}
    media = {k: v for row in rows for k, v in row.items()}
    (logged,) = (tmp_path / "run").rglob("media/html/**/*.html")
    assert logged.read_text() == page.read_text() and media["quantize/ids/_type"] == "html-file"
    assert media["quantize/umatrix/_type"] == "image-file" and media["predict/samples/_type"] == "table-file"
    run = of_kind(found, "run")[0]
    assert (run.project, run.display_name, run.run_group, set(run.tags)) == ("proj", "n", "g", {"exp", "mine"})
    values = {u.key: json.loads(u.value_json) for u in run.config.update}
    kept = {k: v for k, v in values.items() if not k.startswith("_")}
    assert kept == {"quantizer.levels": "16x16,8x8", "quantizer.sigma": 0.5, "entity": None, "seeds": "0,1"}
    summary = {
        (u.key or "/".join(u.nested_key)): json.loads(u.value_json) for s in of_kind(found, "summary") for u in s.update
    }
    assert (
        summary["policy/Acc@1"] == 0.375
        and summary["policy/Acc@1_interval"] == "0.3,0.4"
        and summary["samples"] == 1348
    )
    alerts = [(a.title, a.text, a.level) for a in of_kind(found, "alert")]
    assert alerts == [("train_grpo: entropy collapse", "lower grpo.learning_rate", "WARN")]
    assert of_kind(found, "exit")[0].exit_code == 0


@pytest.mark.parametrize(
    ("error", "code"), [(ValueError("x"), 1), (SystemExit(3), 3), (SystemExit("text"), 1), (KeyboardInterrupt(), 130)]
)
def test_a_failing_job_closes_its_run_with_its_exit_code(error: BaseException, code: int, tmp_path: Path) -> None:
    with pytest.raises(type(error)), open_tracker(spec("offline"), folder=tmp_path, name="n") as tracker:
        tracker.metrics("s", {"x": 1.0}, 0)
        raise error
    found = records(tmp_path)
    assert of_kind(found, "exit")[0].exit_code == code and history(found) == [{"s/x": 1.0, "s/step": 0}]


def test_two_jobs_of_a_process_are_two_runs_and_a_folder_keeps_its_id(tmp_path: Path) -> None:
    names, before = [], dict(os.environ)
    for folder in ("a", "b", "a"):
        with open_tracker(spec("offline"), folder=tmp_path / folder, name=folder) as tracker:
            assert isinstance(tracker, WandbTracker)
            names.append(tracker.run.id)
            assert os.environ["WANDB_CACHE_DIR"].startswith(str(tmp_path / folder))
        assert dict(os.environ) == before
    assert names[0] == names[2] != names[1]


def test_tracking_off_opens_no_socket_and_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    with open_tracker(OffSpec(kind="off"), folder=tmp_path / "run", name="n", config={"a": 1}) as tracker:
        log = StageLog("s", tracker)
        log.metrics({"loss": 1.0}, 1)
        log.image("x", tmp_path / "x.png")
        log.page("x", tmp_path / "x.html")
        log.table("t", ["a"], [[1]])
        tracker.summary({"a": 1})
        assert log.curve == [{"step": 1.0, "loss": 1.0}]
    assert not (tmp_path / "run").exists()


def test_tracking_off_never_imports_wandb(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from refinepoi.core.tracking_spec import OffSpec, open_tracker\n"
        "with open_tracker(OffSpec(kind='off'), folder=Path('x'), name='n') as t: t.metrics('s', {'a': 1.0}, 0)\n"
        "print('wandb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "False"


def test_without_a_key_it_is_offline_says_so_once_and_asks_nobody(
    tmp_path: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(well)
    monkeypatch.delenv("WANDB_API_KEY")
    with caplog.at_level(logging.INFO, "refinepoi"), open_tracker(spec(), folder=tmp_path, name="n") as tracker:
        tracker.metrics("s", {"x": 1.0}, 0)
    (line,) = [r.getMessage() for r in caplog.records if r.name == "refinepoi"]
    assert line.startswith("tracking: offline (no API key); upload with: wandb sync ")
    assert list(Path(line.split("wandb sync ")[1]).glob("*.wandb"))
    assert server.asked == []


def test_a_key_in_netrc_is_found(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = serve(well)
    monkeypatch.delenv("WANDB_API_KEY")
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {server.url.removeprefix('http://')} login user password {KEY}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with open_tracker(spec(), folder=tmp_path / "run", name="n") as tracker:
        assert isinstance(tracker, WandbTracker) and not tracker.run.offline


def test_online_where_the_server_answers(tmp_path: Path, serve: Callable[..., Server]) -> None:
    server = serve(well)
    with open_tracker(spec(), folder=tmp_path, name="n", config={"a": 1}) as tracker:
        assert isinstance(tracker, WandbTracker) and not tracker.run.offline
        tracker.metrics("s", {"x": 1.0}, 0)
    assert any("file_stream" in line and "s/x" in line for line in server.asked)
    assert history(records(tmp_path)) == [{"s/x": 1.0, "s/step": 0}]


def test_a_server_that_never_answers_costs_two_seconds_and_no_data(
    tmp_path: Path, serve: Callable[..., Server], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve(lambda path, query: None)
    begin = time.monotonic()
    assert "does not answer within 2 s" in str(wandb_tracker._ask_server(server.url, KEY, 2.0))
    assert time.monotonic() - begin < 2.5
    asked = len(server.asked)
    begin = time.monotonic()
    with caplog.at_level(logging.INFO, "refinepoi"), open_tracker(spec(), folder=tmp_path, name="n") as tracker:
        opened = time.monotonic() - begin
        for step in range(200):
            tracker.metrics("s", {"x": float(step)}, step)
    assert capfd.readouterr() == ("", "")
    assert opened < 2 + 4, opened  # wandb itself starts in about one second; the machine may be busy
    assert len(server.asked) == asked + 1  # asked once, then left alone
    assert [row["s/x"] for row in history(records(tmp_path))] == list(range(200))
    assert "does not answer within 2 s); upload with: wandb sync" in caplog.text and KEY not in caplog.text


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, {}), "answers 500"),
        ((401, {}), "answers 401"),
        ((200, {"data": {"viewer": None}}), "does not know the API key"),
        ((200, {"errors": []}), "does not know the API key"),
    ],
)
def test_a_server_that_refuses_is_left_at_once(
    answer: tuple[int, dict[str, Any]], reason: str, serve: Callable[..., Server]
) -> None:
    server = serve(lambda path, query: answer)
    begin = time.monotonic()
    assert reason in str(wandb_tracker._ask_server(server.url, KEY, 2.0))
    assert time.monotonic() - begin < 1.5
    server.close()
    assert "refused" in str(wandb_tracker._ask_server(server.url, KEY, 2.0))
    assert "127.0.0.1" not in str(wandb_tracker._ask_server("http://no.such.host.invalid", KEY, 2.0))


def test_a_key_of_the_wrong_form_means_offline(
    tmp_path: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    serve(well)
    monkeypatch.setenv("WANDB_API_KEY", "too short")
    with caplog.at_level(logging.INFO, "refinepoi"), open_tracker(spec(), folder=tmp_path, name="n") as tracker:
        assert isinstance(tracker, WandbTracker) and tracker.run.offline
    assert "offline (" in caplog.text and "too short" not in caplog.text


def test_a_server_that_hangs_after_its_first_answer_means_offline(
    tmp_path: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb_tracker, "INIT_TIMEOUT", 1.0)
    serve(lambda path, query: well(path, query) if query.startswith('{"query": "query { viewer') else None)
    with open_tracker(spec(), folder=tmp_path, name="n") as tracker:
        assert isinstance(tracker, WandbTracker) and tracker.run.offline
        tracker.metrics("s", {"x": 1.0}, 0)
    offline = [f for f in tmp_path.glob("wandb/offline-run-*/*.wandb")]
    assert len(offline) == 1


def test_a_server_that_dies_on_the_way_delays_the_end_no_longer_than_allowed(
    tmp_path: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb_tracker, "FINISH_TIMEOUT", 1.0)
    server = serve(well)
    with open_tracker(spec(), folder=tmp_path, name="n") as tracker:
        tracker.metrics("s", {"x": 1.0}, 0)
        server.close()
        tracker.metrics("s", {"x": 2.0}, 1)
        begin = time.monotonic()
    assert time.monotonic() - begin < 12
    assert [row["s/x"] for row in history(records(tmp_path))] == [1.0, 2.0]


def test_when_wandb_does_not_start_online_it_starts_offline_and_else_not_at_all(
    tmp_path: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import wandb

    serve(well)
    real = wandb.init

    def fails_online(**settings: Any) -> Any:
        if settings["mode"] == "online":
            raise RuntimeError(f"no luck with {KEY}")
        return real(**settings)

    monkeypatch.setattr(wandb, "init", fails_online)
    with caplog.at_level(logging.INFO, "refinepoi"), open_tracker(spec(), folder=tmp_path / "a", name="n") as tracker:
        assert isinstance(tracker, WandbTracker) and tracker.run.offline
    assert "offline (no luck with (hidden))" in caplog.text and KEY not in caplog.text

    def fails(**settings: Any) -> Any:
        raise RuntimeError("never")

    monkeypatch.setattr(wandb, "init", fails)
    before = dict(os.environ)
    with open_tracker(spec(), folder=tmp_path / "b", name="n") as tracker:
        assert isinstance(tracker, NoTracker)
        tracker.metrics("s", {"x": 1.0}, 0)
    assert dict(os.environ) == before
    assert "tracking is off: wandb does not start (never)" in caplog.text


def test_a_run_that_breaks_on_the_way_is_told_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with open_tracker(spec("offline"), folder=tmp_path, name="n") as tracker:
        assert isinstance(tracker, WandbTracker)
        tracker.metrics("s", {"x": 1.0}, 0)

        def broken(*_: object, **__: object) -> None:
            raise BrokenPipeError("core is gone")

        with monkeypatch.context() as patch:
            patch.setattr(tracker.run, "log", broken)
            for step in range(1, 50):
                tracker.metrics("s", {"x": 1.0}, step)
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warnings == ["tracking stopped: core is gone; the run goes on"]


def test_secrets_are_in_no_file_and_no_line(
    tmp_path: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(well)
    monkeypatch.setenv("HF_TOKEN", "hf_canary_of_the_hub")
    config = {
        "model": {"path": "https://user:hf_canary_of_the_hub@hub/x", "hf_token": "another_canary"},
        "eos_token": 2,
    }
    with caplog.at_level(logging.DEBUG), open_tracker(spec(), folder=tmp_path, name="n", config=config) as tracker:
        tracker.metrics("s", {"x": 1.0}, 0)
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    sent = " ".join(line.partition("b'")[2] for line in server.asked)  # bodies; the key itself travels in a header
    for canary in (KEY, "hf_canary_of_the_hub", "another_canary"):
        assert canary.encode() not in written and canary not in caplog.text and canary not in sent


def test_flat_config_and_hidden_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.endswith(("KEY", "TOKEN", "SECRET"))]:
        monkeypatch.delenv(name)
    nested = {"a": {"b": {"c": 1.5}}, "l": [1, 2], "m": [[1, 2], {"x": 1}], "none": None, "flag": True, "p": Path("x")}
    assert flat(nested) == {
        "a.b.c": 1.5, "l": "1,2", "m": '[[1, 2], {"x": 1}]', "none": None, "flag": True, "p": "x",
    }  # fmt: skip
    secret = {"tracking.api_key": "k", "x.password": "p", "hub.token": "t", "client_secret": "s"}
    assert without_secrets(dict(secret)) == dict.fromkeys(secret, HIDDEN)
    plain = {"artifacts.sft.key": "ab12", "prompt.token_budget": 5, "eos_token_id": 2, "max_tokens": 3, "api_key": None}
    assert without_secrets(dict(plain)) == plain


def test_wandb_mode_of_the_environment_is_obeyed_by_auto(
    tmp_path: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(well)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with open_tracker(spec(), folder=tmp_path / "a", name="n") as tracker:
        assert isinstance(tracker, NoTracker) and not (tmp_path / "a").exists()
    monkeypatch.setenv("WANDB_MODE", "offline")
    with open_tracker(spec(), folder=tmp_path / "b", name="n") as tracker:
        assert isinstance(tracker, WandbTracker) and tracker.run.offline
    assert server.asked == []
