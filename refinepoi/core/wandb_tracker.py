"""WandbTracker: one W&B run for one job. The only file that knows wandb, and it imports it when a run is opened.

Tracking never stops or delays a run: without a key, without a server that answers within 2 s, or when wandb itself
fails, the run is recorded in its folder and one line says how to upload it. Every stage has its own step axis
(`train_sft/step`). wandb writes into the run folder alone; what looks like a secret is never sent.
"""

import json
import logging
import os
import re
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refinepoi.core.tracking import NoTracker, Tracker
from refinepoi.core.tracking_spec import WandbSpec

log = logging.getLogger("refinepoi")

Plain = str | int | float | bool | None
PATIENCE = {"auto": 2.0, "online": 20.0}  # seconds a server has to answer
INIT_TIMEOUT = 10.0  # of a server that answered the first question
FINISH_TIMEOUT = 45.0  # seconds to upload what is left; then `wandb sync`
_SECRET_NAME = re.compile(r"(^|[._/])(\w*(api_?key|secret|password|(auth|hf|access)_token)|token|credentials?)$", re.I)
_SECRET_VARIABLE = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.I)
HIDDEN = "(hidden)"


@dataclass
class WandbTracker:
    """A `Tracker` over one wandb run. The first failure of wandb is logged; from then on it does nothing."""

    run: Any
    restore: Callable[[], None]
    known: set[str] = field(default_factory=set)
    broken: bool = False

    def metrics(self, stage: str, values: Mapping[str, float], step: int) -> None:
        def send() -> None:
            axis = f"{stage}/step"
            if stage not in self.known:
                self.run.define_metric(axis, hidden=True)
                self.run.define_metric(f"{stage}/*", step_metric=axis)
                self.known.add(stage)
            self.run.log({**{f"{stage}/{k}": v for k, v in values.items()}, axis: step})

        self._attempt(send)

    def image(self, name: str, path: Path) -> None:
        self._file(name, path, lambda wandb: wandb.Image(str(path)))

    def page(self, name: str, path: Path) -> None:
        self._file(name, path, lambda wandb: wandb.Html(str(path), inject=False))  # as it is: it allows nothing else

    def _file(self, name: str, path: Path, medium: Callable[[Any], Any]) -> None:
        if not path.is_file():
            log.debug("tracking: no file %s at %s", name, path)
            return

        def send() -> None:
            import wandb

            self.run.log({name: medium(wandb)})

        self._attempt(send)

    def table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        def send() -> None:
            import wandb

            self.run.log({name: wandb.Table(columns=list(columns), data=rows, allow_mixed_types=True)})

        self._attempt(send)

    def artifact(self, manifest: Path, made: bool) -> None:
        """A stored artifact by its manifest: what was made, from which artifacts, with which settings. Not its files.

        made: by this run (its output), else read from the store (its input): W&B draws the lineage from that.
        """

        def send() -> None:
            import wandb

            told = json.loads(manifest.read_text(encoding="utf-8"))
            inputs = [f"{a['artifact']}-{a['key']}" for a in told["arguments"] if "artifact" in a]
            facts = {"key": told["key"], "inputs": inputs, "seconds": told["seconds"], "git": told["git"]}
            item = wandb.Artifact(f"{told['stage']}-{told['key']}", type=told["stage"], metadata=facts)
            item.add_file(str(manifest), name=manifest.name)
            if made or self.run.offline:  # offline W&B cannot look inputs up; their names stand in the metadata
                self.run.log_artifact(item)
            else:
                self.run.use_artifact(item)

        self._attempt(send)

    def summary(self, values: Mapping[str, Any]) -> None:
        self._attempt(lambda: self.run.summary.update(flat(values, "/")))

    def alert(self, title: str, text: str) -> None:
        self._attempt(lambda: self.run.alert(title=title, text=text, level="WARN"))

    def close(self, exit_code: int) -> None:
        import wandb

        try:
            self._attempt(lambda: self.run.finish(exit_code=exit_code), always=True)
            with suppress(Exception):
                wandb.teardown(exit_code=exit_code)  # a sweep's next job starts afresh, in its own folder
        finally:
            self.restore()

    def _attempt(self, action: Callable[[], Any], always: bool = False) -> None:
        if self.broken and not always:
            return
        try:
            action()
        except Exception as error:
            if not self.broken:
                log.warning("tracking stopped: %s; the run goes on", _short(error))
            self.broken = True


def start(
    spec: WandbSpec, *, folder: Path, name: str, group: str | None, tags: Sequence[str], config: Mapping[str, Any]
) -> Tracker:
    """Open the run: online if it can be, else offline, else not at all."""
    if spec.mode == "auto" and os.environ.get("WANDB_MODE") == "disabled":
        return NoTracker()
    home = folder / "wandb"
    restore = _redirect(home)
    try:
        import wandb

        reason = _why_offline(spec)
        described: dict[str, Any] = {
            "project": spec.project, "entity": spec.entity, "name": name, "group": group, "id": _stable_id(home),
            "tags": [t[:64] for t in dict.fromkeys([*tags, *spec.tags])], "config": without_secrets(flat(config)),
            "dir": str(folder), "reinit": "create_new",
        }  # fmt: skip
        if reason is None:
            try:
                run = wandb.init(mode="online", resume="allow", settings=_settings(spec), **described)
                log.info("tracking: %s", run.url)
                return WandbTracker(run, restore)
            except Exception as error:
                reason = _short(error)
                with suppress(Exception):
                    wandb.teardown()
        run = wandb.init(mode="offline", settings=_settings(spec), **described)
        log.info("tracking: offline (%s); upload with: wandb sync %s", reason, run.settings.sync_dir)
        return WandbTracker(run, restore)
    except Exception as error:
        restore()
        log.warning("tracking is off: wandb does not start (%s)", _short(error))
        return NoTracker()


def flat(values: Mapping[str, Any], joint: str = ".", prefix: str = "") -> dict[str, Plain]:
    """Nested values as one level of plain ones, to compare runs by: `{"som": {"k": [4, 8]}}` is `som.k: "4,8"`."""
    plain: dict[str, Plain] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            plain |= flat(value, joint, f"{name}{joint}")
        elif value is None or isinstance(value, str | int | float | bool):
            plain[name] = value
        elif isinstance(value, list | tuple):
            simple = all(isinstance(v, str | int | float) for v in value)
            plain[name] = ",".join(map(str, value)) if simple else json.dumps(value, default=str)
        else:
            plain[name] = str(value)
    return plain


def without_secrets(values: Mapping[str, Plain]) -> dict[str, Plain]:
    """The same with secrets hidden: keys that name one, and values that hold one of the environment's."""
    secrets = [v for k, v in os.environ.items() if _SECRET_VARIABLE.search(k) and len(v) >= 8]
    kept: dict[str, Plain] = {}
    for key, value in values.items():
        if _SECRET_NAME.search(key) and value not in (None, "", False):
            value = HIDDEN
        elif isinstance(value, str):
            for secret in secrets:
                value = value.replace(secret, HIDDEN)
        kept[key] = value
    return kept


def _settings(spec: WandbSpec) -> Any:
    import wandb

    return wandb.Settings(
        silent=True, console="off", init_timeout=INIT_TIMEOUT, finish_timeout=FINISH_TIMEOUT, disable_git=True,
        disable_code=True, save_code=False, x_disable_stats=not spec.system, x_save_requirements=False,
        x_disable_meta=True,  # the command line and the remote's address may hold secrets; config says what was run
    )  # fmt: skip


def _redirect(home: Path) -> Callable[[], None]:
    """Point all of wandb's folders into the run folder. Returns what puts the environment back."""
    home.mkdir(parents=True, exist_ok=True)
    wanted = {
        "WANDB_DIR": str(home.parent),
        "WANDB_DATA_DIR": str(home / "data"),
        "WANDB_CACHE_DIR": str(home / "cache"),
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
    }
    if not Path("~/.config/wandb/settings").expanduser().exists():  # a login to another server is read, not written
        wanted["WANDB_CONFIG_DIR"] = os.environ.get("WANDB_CONFIG_DIR", str(home / "config"))
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)

    def restore() -> None:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    return restore


def _stable_id(home: Path) -> str:
    """The run's id: drawn once for a run folder, so that a run started again there continues the same W&B run.

    A `wandb agent` gives its runs an id in the environment, by which the sweep knows them.
    """
    if os.environ.get("WANDB_SWEEP_ID") and os.environ.get("WANDB_RUN_ID"):
        return os.environ["WANDB_RUN_ID"]
    file = home / "id"
    if not file.exists():
        file.write_text(uuid.uuid4().hex[:12], encoding="utf-8")
    return file.read_text(encoding="utf-8")


def _why_offline(spec: WandbSpec) -> str | None:
    """None where the run can be online. Looks for a key without network, then asks the server once."""
    if spec.mode == "offline":
        return "as asked"
    if spec.mode == "auto" and os.environ.get("WANDB_MODE") in ("offline", "dryrun"):
        return "WANDB_MODE"
    import wandb
    from wandb.sdk.lib import wbauth

    base = wandb.setup().settings.base_url
    try:
        login = wbauth.authenticate_session(host=base, source="refinepoi", prompt=False)
    except Exception as error:  # a key of the wrong form
        return _short(error)
    if login is None:
        return "no API key"
    key = login.api_key if isinstance(login, wbauth.AuthApiKey) else None
    return _ask_server(base, key, PATIENCE[spec.mode])


def _ask_server(base: str, key: str | None, patience: float) -> str | None:
    """What keeps `base` from taking a run, None if nothing. Takes at most `patience` seconds, name look-up included."""
    found: list[str | None] = []
    asking = threading.Thread(target=lambda: found.append(_ask(base, key, patience + 1)), daemon=True)
    asking.start()
    asking.join(patience)
    return found[0] if found else f"{base} does not answer within {patience:g} s"


def _ask(base: str, key: str | None, timeout: float) -> str | None:
    import base64
    import urllib.error
    import urllib.request

    body = json.dumps({"query": "query { viewer { id } }"}).encode()
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = "Basic " + base64.b64encode(f"api:{key}".encode()).decode()
    request = urllib.request.Request(f"{base.rstrip('/')}/graphql", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            viewer = json.load(response).get("data", {}).get("viewer")
        return None if viewer or not key else f"{base} does not know the API key"
    except urllib.error.HTTPError as error:
        return f"{base} answers {error.code}"
    except Exception as error:
        return f"{base}: {_short(error)}"


def _short(error: Exception) -> str:
    """One line, without what might be a key."""
    text = " ".join(str(error).split())[:160] or type(error).__name__
    return str(without_secrets({"error": text})["error"])
