from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError
from runtimes import runtime

from refinepoi.artifacts.profiles import Profiles
from refinepoi.artifacts.prompts import Prompts
from refinepoi.core.stage import Artifact, Context
from refinepoi.core.tracking import StageLog
from refinepoi.prompt.spec import CompactPrompt, EvidencePrompt, Memory, PromptSpec, QuestionPrompt, Shares
from refinepoi.prompt.stage import write_prompts

CONF = Path(__file__).parents[3] / "conf" / "prompt"
RUNTIME = runtime()


def read(name: str, **changes: Any) -> Any:
    """The spec of an option file, as the program would read it."""
    values = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    values |= {"seed": 0} if "seed" in values else {}
    if "counters" in values:
        values["counters"] = tuple(values["counters"])
    return TypeAdapter(PromptSpec).validate_python(values | changes)


def test_the_stage_writes_an_artifact(world: Any, tmp_path: Path) -> None:
    handles = []
    for name, value in vars(world).items():
        (tmp_path / name).mkdir()
        value.save(tmp_path / name)
        handles.append(Artifact("any", "key", tmp_path / name, type(value)))
    (tmp_path / "profiles").mkdir()
    Profiles.none().save(tmp_path / "profiles")
    handles.append(Artifact("any", "key", tmp_path / "profiles", Profiles))
    folder = tmp_path / "prompts"
    folder.mkdir()
    log = StageLog("write_prompts")
    shares = Shares(recent=1.0, same_hour=0.0, same_last=0.0, category=0.0)
    memory = Memory(policy="recent", visits=9, shares=shares)
    spec = CompactPrompt(kind="compact", list_length=5, budget=60, memory=memory)
    write_prompts.run(Context(folder, RUNTIME, log, "write_prompts"), spec, *handles)
    prompts = Prompts.load(folder)
    assert (write_prompts.name, write_prompts.makes) == ("write_prompts", Prompts)
    assert prompts.table.height == world.trajectories.queries.height and prompts.streams.height > 0
    assert log.curve[0]["test/tokens_max"] == prompts.facts["shown"]["test"]["tokens_max"]


@pytest.mark.parametrize(
    ("name", "kind"), [("compact", CompactPrompt), ("evidence", EvidencePrompt), ("question", QuestionPrompt)]
)
def test_option_files_are_valid(name: str, kind: type) -> None:
    assert isinstance(read(name), kind)


def test_the_evidence_option_fits_its_budget() -> None:
    """Two levels: nothing is dropped by the values we ship."""
    spec = read("evidence")
    assert 5 + 4 * spec.memory.visits + (2 + len(spec.counters)) * spec.candidates <= spec.budget


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": 0}, "greater than or equal to 1"),
        ({"list_length": 0}, "greater than or equal to 1"),
        ({"bins": 1}, "greater than or equal to 2"),
        ({"counters": ()}, "at least 1 item"),
        ({"memory": {"policy": "oldest", "visits": 3}}, "recent"),
        ({"memory": {"policy": "recent", "visits": -1}}, "greater than or equal to 0"),
        ({"candidate": 20}, "not permitted"),
        ({"kind": "verse"}, "compact"),
    ],
)
def test_wrong_values_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read("evidence", **changes)
