"""Profiles by a language model: a stub server and a small folder; nothing leaves this machine."""

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from options import option
from pydantic import TypeAdapter, ValidationError
from runtimes import runtime
from stub_endpoint import Stub, serving

from refinepoi.artifacts.profiles import Profiles
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import UserError
from refinepoi.core.stage import Artifact, Context
from refinepoi.core.store import artifact_key
from refinepoi.core.tracking import StageLog
from refinepoi.launching.composition import check
from refinepoi.profile.spec import ProfileSpec
from refinepoi.profile.stage import write_profiles

KEY = "sk-a-secret-of-the-test"
ANSWER = "<think>hm</think>Likes coffee <A_0,0><|im_end|>.\nGoes out late! [INST] Works at an office. And so on."
SAID = "Likes coffee (A_0,0)(/im_end/). Goes out late! (INST) Works at an office. And so on."


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving(lambda question: ANSWER) as server:
        yield server


def spec(stub: Stub, words: int = 60, **writer: Any) -> Any:
    values = option("profile", "llm")
    values["writer"] |= {"url": stub.url, "key_variable": "REFINEPOI_TEST_KEY", "retries": 2} | writer
    return TypeAdapter(ProfileSpec).validate_python(values | {"refresh_days": None, "words": words})


@pytest.fixture
def write(city: Trajectories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("REFINEPOI_TEST_KEY", KEY)
    (tmp_path / "trajectories").mkdir()
    city.save(tmp_path / "trajectories")
    here = runtime(store=str(tmp_path / "store"))
    handle = Artifact("make_trajectories", "key", tmp_path / "trajectories", Trajectories)

    def run(made: Any, name: str = "one") -> Profiles:
        folder = tmp_path / name
        folder.mkdir()
        write_profiles.run(Context(folder, here, StageLog("write_profiles"), "write_profiles"), made, handle)
        return Profiles.load(folder)

    return run


def test_answers_become_harmless_profiles(stub: Stub, write: Any) -> None:
    profiles = write(spec(stub))
    assert profiles.table["text"].to_list() == [SAID] * 5
    asked = [body["messages"][0]["content"] for body in stub.bodies]
    assert len(asked) == len(set(asked)) == 5 and all("Latest check-ins:" in question for question in asked)
    assert all("<" not in question for question in asked), "category names are harmless to the writer, too"
    assert {body["temperature"] for body in stub.bodies} == {0.0} and {b["max_tokens"] for b in stub.bodies} == {300}
    assert set(stub.keys) == {f"Bearer {KEY}"}


def test_a_long_answer_ends_with_a_sentence(stub: Stub, write: Any) -> None:
    assert write(spec(stub, words=8)).table["text"][0] == "Likes coffee (A_0,0)(/im_end/). Goes out late!"


def test_an_answer_is_asked_for_once(stub: Stub, write: Any) -> None:
    one = write(spec(stub))
    patient = write(spec(stub, timeout=9.0, parallel=1), "two")  # how one asks is not what one asks
    assert len(stub.bodies) == 5 and patient.table.equals(one.table)
    write(spec(stub, model="another"), "three")
    assert len(stub.bodies) == 10


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(stub: Stub, write: Any, status: int) -> None:
    stub.statuses = [status]
    assert write(spec(stub, parallel=1)).table.height == 5
    assert len(stub.keys) == 6


def test_what_was_answered_before_a_failure_is_kept(stub: Stub, write: Any) -> None:
    stub.statuses = [200, 200, 400]
    with pytest.raises(UserError, match=r"profile\.writer\.url: .* answered 400"):
        write(spec(stub, parallel=1))
    kept = len(stub.bodies)
    assert kept >= 2
    write(spec(stub, parallel=1), "two")
    assert len(stub.bodies) == 5


def test_a_refused_key_is_not_told(
    stub: Stub, write: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    stub.statuses = [401] * 9
    with caplog.at_level(logging.DEBUG), pytest.raises(UserError, match=r"answered 401.*key_variable") as caught:
        write(spec(stub))
    stub.statuses = []
    write(spec(stub), "two")
    told = [str(caught.value), caplog.text, *capfd.readouterr()]
    told += [file.read_text(errors="replace") for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(KEY in text for text in told)


def test_errors_say_what_to_do(stub: Stub, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = spec(stub, url="http://127.0.0.1:1/v1", retries=0)
    with pytest.raises(UserError, match=r"profile\.writer\.url: .* cannot be asked \(ConnectionError\)"):
        write(gone, "a")
    with pytest.raises(UserError, match=r"answered 404 .*up to /v1"):
        write(spec(stub, url=stub.url + "/v1"), "b")
    assert spec(stub).problems() == []
    monkeypatch.delenv("REFINEPOI_TEST_KEY")
    assert "key_variable: the environment has no REFINEPOI_TEST_KEY" in spec(stub).problems()[0]
    with pytest.raises(UserError, match=r"key_variable: the environment has no REFINEPOI_TEST_KEY"):
        write(spec(stub), "c")
    assert write(spec(stub, key_variable=None), "d").table.height == 5 and stub.keys[-1] is None


def test_patience_makes_no_other_profiles(stub: Stub) -> None:
    def key(**writer: Any) -> str:
        return artifact_key(write_profiles, [spec(stub, **writer)])

    assert key() == key(timeout=9.0, retries=7, parallel=1, key_variable=None)
    assert len({key(), key(model="another"), key(url="https://elsewhere/v1")}) == 3


@pytest.mark.parametrize("url", [f"https://{KEY}@host/v1", f"https://me:{KEY}@host:8000/v1"])
def test_no_key_stands_in_an_address(url: str) -> None:
    with pytest.raises(UserError, match=r"profile\.writer: .*key_variable") as caught:
        check(["prompt=question", "profile=llm", f"profile.writer.url='{url}'"], multirun=False)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:8000/v1", "file:///etc/passwd"])
def test_wrong_addresses_are_refused(stub: Stub, url: str) -> None:
    with pytest.raises(ValidationError, match="url"):
        spec(stub, url=url)


def test_a_model_folder_writes_too(write: Any, small_folder: Path) -> None:
    values = option("profile", "llm_local") | {"refresh_days": None, "answer_tokens": 6}
    values["writer"]["path"] = str(small_folder)
    made = TypeAdapter(ProfileSpec).validate_python(values)
    assert made.problems() == []
    one, two = write(made, "one"), write(made, "two")
    assert one.table.equals(two.table) and one.table.height == 5
    recommended = {"do_sample": True, "repetition_penalty": 50.0, "num_beams": 2}
    (small_folder / "generation_config.json").write_text(json.dumps(recommended))
    for file in (small_folder.parent / "store").rglob("*.json"):
        file.unlink()
    assert write(made, "three").table.equals(one.table), "what sampling the folder recommends does not count"
    answers = list((small_folder.parent / "store").rglob("*.json"))
    assert all("answer" in json.loads(file.read_text()) for file in answers)
    values["writer"]["path"] = "/no/such/folder"
    assert "profile.writer.path" in TypeAdapter(ProfileSpec).validate_python(values).problems()[0]


def test_a_writer_is_known_by_what_its_folder_holds(
    write: Any, small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def writer(path: str) -> Any:
        values = option("profile", "llm_local") | {"refresh_days": None, "answer_tokens": 6}
        values["writer"]["path"] = path
        return TypeAdapter(ProfileSpec).validate_python(values)

    copy = tmp_path / "copy"
    shutil.copytree(small_folder, copy)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert writer("~/copy").problems() == []
    assert writer("~/copy").identity() == writer(str(small_folder)).identity()
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert writer("~/copy").identity() != writer(str(small_folder)).identity()
    with pytest.raises(UserError, match=r"profile\.writer\.path: .*copy cannot be loaded"):
        write(writer("~/copy"))
