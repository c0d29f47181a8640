"""Profiles by a language model: a stub server and a small folder; nothing leaves this machine."""

import json
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from folders import thinking_folder
from options import option
from pydantic import TypeAdapter, ValidationError
from runtimes import runtime
from stub_endpoint import Stub, serving
from transformers import AutoModelForCausalLM, AutoTokenizer

from refinepoi.artifacts.profiles import Profiles
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import UserError
from refinepoi.core.stage import Artifact, Context
from refinepoi.core.store import artifact_key
from refinepoi.core.tracking import StageLog
from refinepoi.launching.composition import check
from refinepoi.profile.answers import answers
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
    others = [spec(stub, model="another"), *(spec(stub).model_copy(update=one) for one in OTHER_ANSWERS)]
    for number, made in enumerate(others, 2):
        write(made, f"other-{number}")
        assert len(stub.bodies) == 5 * number, "another writer, other settings: another answer"
    assert (stub.bodies[-6]["temperature"], stub.bodies[-1]["max_tokens"]) == (0.5, 7)


OTHER_ANSWERS: list[dict[str, Any]] = [{"temperature": 0.5}, {"answer_tokens": 7}]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Questions to the answers of a server."""
    monkeypatch.setenv("REFINEPOI_TEST_KEY", KEY)
    context = Context(tmp_path, runtime(store=str(tmp_path / "store")), StageLog("write_profiles"), "write_profiles")
    return lambda made, questions: list(answers(context, made, questions))


def test_a_question_that_stands_there_twice_is_asked_once(ask: Any) -> None:
    with serving(str.upper) as stub:
        assert ask(spec(stub), ["b", "a", "b", "c"]) == ["B", "A", "B", "C"]
        assert sorted(body["messages"][0]["content"] for body in stub.bodies) == ["a", "b", "c"]


def test_after_a_refusal_nobody_asks_on(stub: Stub, ask: Any) -> None:
    stub.statuses = [200, 400]
    with pytest.raises(UserError, match="answered 400"):
        ask(spec(stub, parallel=1), [str(number) for number in range(100)])
    assert 1 <= len(stub.bodies) < 50


def test_nothing_is_sent_elsewhere(stub: Stub, ask: Any) -> None:
    with serving(str) as other:
        stub.statuses, stub.elsewhere = [307], f"{other.url}/chat/completions"
        with pytest.raises(UserError, match="gave no chat completion"):
            ask(spec(stub), ["who?"])
        assert other.bodies == [] == other.keys


def test_the_key_is_that_of_the_settings(stub: Stub, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password another")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    ask(spec(stub), ["who?"])
    assert stub.keys == [f"Bearer {KEY}"]


def test_a_slow_server_is_not_waited_for(ask: Any) -> None:
    def slow(_: str) -> str:
        time.sleep(0.5)
        return "late"

    with serving(slow) as stub, pytest.raises(UserError, match=r"cannot be asked \(\w*(Timeout|ConnectionError)\)"):
        ask(spec(stub, timeout=0.05, retries=0), ["who?"])


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(stub: Stub, write: Any, status: int) -> None:
    stub.statuses = [status]
    assert write(spec(stub, parallel=1)).table.height == 5
    assert len(stub.keys) == 6


def test_a_server_is_asked_so_often_and_no_more(stub: Stub, ask: Any) -> None:
    stub.statuses = [503, 503]
    with pytest.raises(UserError, match="answered 503"):
        ask(spec(stub, retries=1), ["who?"])
    assert len(stub.keys) == 2


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
    values["writer"]["path"] = "/no/such/folder"
    assert "profile.writer.path" in TypeAdapter(ProfileSpec).validate_python(values).problems()[0]


def said(folder: Path, question: str) -> str:
    """What transformers says greedily, in the chat template and without reasoning."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    chat = [{"role": "user", "content": question}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    read = tokenizer(text, return_tensors="pt")
    plain = {"do_sample": False, "repetition_penalty": 1.0, "num_beams": 1, "max_new_tokens": 6}
    made = model.generate(**read, **plain, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id)
    return str(tokenizer.decode(made[0, read["input_ids"].shape[1] :], skip_special_tokens=True))


def local(folder: Path, **changes: Any) -> Any:
    values = option("profile", "llm_local") | changes
    values["writer"]["path"] = str(folder)
    return TypeAdapter(ProfileSpec).validate_python(values)


def test_a_model_folder_is_asked_in_its_chat_template(ask: Any, small_folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(small_folder)
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 10 if weight.ndim == 2 else 1  # so that what it says hangs on what it read
    model.save_pretrained(small_folder)
    questions = ["who?", "where?", "when?"]
    assert ask(local(small_folder, answer_tokens=6), questions) == [said(small_folder, one) for one in questions]


def test_an_answer_holds_no_end_mark(ask: Any, tmp_path: Path) -> None:
    folder = thinking_folder(tmp_path / "model", "likes coffee")
    assert ask(local(folder), ["who?"]) == ["<think>likes coffee</think>"]


def test_a_writer_that_draws_says_the_same_again(ask: Any, small_folder: Path) -> None:
    made = local(small_folder, answer_tokens=9, temperature=1.0)
    one, two = ask(made, ["who?", "where?"])
    for file in (small_folder.parent / "store").rglob("*.json"):
        file.unlink()
    assert ask(made, ["where?"]) == [two] and ask(made, ["who?"]) == [one]
    cold = made.model_copy(update={"temperature": 0.0})
    assert ask(cold, ["who?"]) != [one]


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
