"""A reward of the user's own: one file, one line of settings, and every way in which it can be wrong."""

import os
import py_compile
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from options import option
from pydantic import ValidationError

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import UNKNOWN
from refinepoi.core.errors import UserError
from refinepoi.core.spec import digest
from refinepoi.experiment import ConfigurationError, load_config, to_yaml
from refinepoi.launching.composition import check
from refinepoi.reward.answers import Answers
from refinepoi.reward.combine import Rewards
from refinepoi.reward.places import Places
from refinepoi.reward.spec import RewardSpec
from refinepoi.reward.user import load_user_reward
from refinepoi.reward.user_spec import UserReward

IDS = SemanticIds(np.array([[0, 0], [0, 1], [1, 0]], np.int32), ((2, 2), (2, 2)), "nearest_free")
TABLE = {"category": ["cafe", "bar", "cafe"], "latitude": [0.0] * 3, "longitude": [0.0] * 3}
PLACES = Places(pl.DataFrame(TABLE), np.ones(3, np.int64))
GOOD = """
def my_reward(answers, target, places):
    return (places.category[answers.items[:, 0]] == places.category[target]) * 0.5
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spec_of(text: str, function: str = "my_reward") -> RewardSpec:
    Path("my_reward.py").write_text(text)
    user = {"file": "my_reward.py", "function": function, "weight": 0.5}
    return RewardSpec(**{**option("reward", "paper"), "user": user})


def earned(text: str) -> list[float]:
    rewards = Rewards(spec_of(text), IDS, PLACES, 3, False)
    a, b, c = IDS.texts
    return rewards.functions()[-1](completions=[a + b, b + a, c, "", a + a], target=[0, 0, 0, 0, 0])


def test_it_is_a_term_like_any_other() -> None:
    assert earned(GOOD) == [0.5, 0.0, 0.5, 0.0, 0.0]  # nothing for an empty list, nor for one place again and again
    rewards = Rewards(spec_of(GOOD), IDS, PLACES, 3, False)
    assert rewards.functions()[-1].__name__ == "user" and rewards.weights[-1] == 0.5
    answers, target = Answers.read(IDS.texts[:1], IDS), np.array([0])
    alone = spec_of(GOOD).model_copy(update={"user": None})
    plain = Rewards(alone, IDS, PLACES, 3, False).total(answers, target)
    assert rewards.total(answers, target) == pytest.approx(plain + 0.25)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return [2.0] * len(target)", r"my_reward of 'my_reward.py' returned 2.0 for answer 0 .* from 0 to 1"),
        ("return [-0.1] * len(target)", "returned -0.1"),
        ("return [float('nan')] * len(target)", "returned nan"),
        ("return [0.5]", r"returned shape \(1,\) for 5 answers; return one number for each"),
        ("return 0.5", r"returned shape \(\) for 5 answers"),
        ("return [None] * len(target)", "returned nan"),
        ("return places.prices", "failed .AttributeError: .*prices"),
        ("raise ValueError('boo')", "failed .ValueError: boo.; correct it"),
    ],
)
def test_what_it_returns_is_checked(body: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        earned(f"def my_reward(answers, target, places):\n    {body}\n")


def test_a_file_that_fails_when_it_is_read() -> None:
    with pytest.raises(UserError, match=r"reward.user.file: 'my_reward.py' failed .ModuleNotFoundError"):
        earned("import no_such_module\n" + GOOD)


def judge_of(text: str) -> Any:
    user = spec_of(text).user
    assert user is not None
    return load_user_reward(user)


def test_the_documented_example_pays_nothing_for_an_invalid_id() -> None:
    """Place 2, the last, has the target's category: -1 must not be read as its row."""
    documented = Path(__file__).parents[3] / "docs" / "rewards.md"
    (example,) = re.findall(r"```python\n(.*?)```", documented.read_text(), re.DOTALL)
    items = np.array([[-1, 0], [2, 1], [1, 0], [-2, -2]])
    answers = Answers(items, np.ones(4, np.bool_), np.zeros(4, np.bool_))
    assert judge_of(example)(answers, np.zeros(4, np.int64), PLACES).tolist() == [0.0, 1.0, 0.0, 0.0]
    unknown = Places(pl.DataFrame({**TABLE, "category": [UNKNOWN] * 3}), np.ones(3, np.int64))
    assert judge_of(example)(answers, np.zeros(4, np.int64), unknown).tolist() == [0.0] * 4


def test_the_very_text_that_was_hashed_is_run() -> None:
    """Not a compiled file that lies about: one of the same size and time of change would pass for this text's."""
    file = Path("my_reward.py")
    file.write_text(GOOD)
    py_compile.compile(str(file))
    changed = file.stat()
    file.write_text(GOOD.replace("0.5", "0.9"))
    os.utime(file, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    user = UserReward(file="my_reward.py", function="my_reward", weight=0.5)  # type: ignore[call-arg]
    answers = Answers(np.array([[0, 1]]), np.ones(1, np.bool_), np.zeros(1, np.bool_))
    assert load_user_reward(user)(answers, np.array([0]), PLACES).tolist() == [0.9]


LINE = "reward.user={file: my_reward.py, function: my_reward, weight: 0.5}"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (None, LINE, "reward.user.file: 'my_reward.py' cannot be read (No such file or directory); give the path"),
        ("def other(): ...", LINE, "reward.user.function: 'my_reward.py' defines no function 'my_reward'; it de"),
        ("my_reward = 3", LINE, "it defines nothing"),
        ("def my_reward(:", LINE, "reward.user.file: 'my_reward.py' is not Python (line 1:"),
        (GOOD, LINE.replace("0.5", "-1"), "reward.user.weight: must be greater than or equal to 0 (got -1)"),
        (GOOD, LINE.replace(", weight: 0.5", ""), "reward.user.weight: has no value"),
        (GOOD, LINE.replace("weight", "wait"), "reward.user.wait: unknown key (got 0.5); did you mean weight?"),
    ],
)  # fmt: skip
def test_refused_before_anything_runs(text: str | None, line: str, message: str) -> None:
    if text is not None:
        Path("my_reward.py").write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        check([line], multirun=False)
    assert message in str(refused.value)


def test_reading_settings_executes_nothing() -> None:
    Path("my_reward.py").write_text("raise SystemExit('executed')\n" + GOOD)
    check([LINE], multirun=False)


def test_its_content_is_part_of_the_experiment_and_frozen_settings_keep_to_it() -> None:
    one = spec_of(GOOD)
    assert digest(one) == digest(spec_of(GOOD)) != digest(spec_of(GOOD + "\n# other"))
    Path("my_reward.py").write_text(GOOD)
    frozen = to_yaml(check([LINE], multirun=False).jobs[0].experiment)
    assert load_config(frozen).reward.user == one.user
    Path("my_reward.py").write_text(GOOD.replace("0.5", "0.9"))
    with pytest.raises(ConfigurationError, match="has changed since these settings were frozen"):
        load_config(frozen)


def test_all_weights_0_is_refused_and_the_users_own_is_enough() -> None:
    values = option("reward", "paper") | {"weights": dict.fromkeys(option("reward", "paper")["weights"], 0.0)}
    with pytest.raises(ValidationError, match="all weights are 0"):
        RewardSpec(**values)
    Path("my_reward.py").write_text(GOOD)
    user = {"file": "my_reward.py", "function": "my_reward", "weight": 0.5}
    assert RewardSpec(**{**values, "user": user}).active == {"user": 0.5}
