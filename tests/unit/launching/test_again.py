"""`resume` and `reproduce`: what is refused, and how two runs are compared."""

from pathlib import Path

import pytest

from refinepoi.core.errors import UserError
from refinepoi.launching.again import compare, reproduce, resume


def manifest(**files: str) -> dict:
    return {"files": files, "packages": {"torch": "2.13.0"}, "code": "a", "key": "k"}


def test_equal_bytes_are_the_same_whatever_the_clock_says() -> None:
    before = {"policy": manifest(**{"model/x": "1", "curve.json": "2"})}
    text, same = compare(before, {"policy": manifest(**{"model/x": "1", "curve.json": "3"})})
    assert same and "identical" in text and text.endswith("the same bytes")


@pytest.mark.parametrize("files", [{"model/x": "9"}, {}, {"model/x": "1", "more": "2"}])
def test_every_difference_is_named(files: dict[str, str]) -> None:
    after = manifest(**files) | {"packages": {"torch": "2.14.0"}, "code": "b"}
    text, same = compare({"policy": manifest(**{"model/x": "1"})}, {"policy": after})
    assert not same and "differs: " in text and "torch 2.13.0 then, 2.14.0 now" in text and "code" in text


def test_a_missing_artifact_differs() -> None:
    assert not compare({"policy": manifest(x="1")}, {})[1]


@pytest.mark.parametrize("command", ["resume", "reproduce"])
def test_a_folder_without_a_run_is_refused(tmp_path: Path, command: str) -> None:
    with pytest.raises(UserError, match=f"{command}: .* is no run or sweep folder"):
        resume(tmp_path, [], lambda *_: 0) if command == "resume" else reproduce(tmp_path, [])


def test_settings_cannot_be_changed_on_the_way(tmp_path: Path) -> None:
    from refinepoi.experiment import to_yaml
    from refinepoi.launching.composition import check

    (tmp_path / "config.yaml").write_text(to_yaml(check([], multirun=False).jobs[0].experiment))
    with pytest.raises(UserError, match=r"take seed=1 away"):
        resume(tmp_path, ["seed=1"], lambda *_: 0)
    with pytest.raises(UserError, match="was not finished"):
        reproduce(tmp_path, [])
