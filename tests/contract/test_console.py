"""The console stays calm: closed pipes, flags that do not go together, a library's greeting."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def refinepoi(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "refinepoi", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


@pytest.mark.parametrize("words", [["--help"], ["--cfg", "job"], ["plan=true"]], ids=" ".join)
def test_a_reader_that_has_seen_enough_ends_it_quietly(words: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "refinepoi", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as writer:
        assert writer.stdout is not None and writer.stderr is not None
        writer.stdout.close()
        said = writer.stderr.read()
    assert said == b"" and writer.returncode == -13  # SIGPIPE: 141 in a shell


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cfg", "job", "-m"], "--cfg: shows one composition, not a sweep; leave -m out"),
        (["--cfg", "job", "-m", "grpo.seed=0,1"], "see its jobs with plan=true"),
        (["-c", "job", "--info"], "-c and --info: give one of them"),
        (["--resolve"], "--resolve: goes with --cfg job"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(words: list[str], said: str, tmp_path: Path) -> None:
    done = refinepoi(tmp_path, *words)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and said in done.stderr
    assert not done.stdout and not list(tmp_path.iterdir())


def test_settings_are_shown(tmp_path: Path) -> None:
    for words in (["--cfg", "job"], ["-c", "job", "--resolve"]):
        done = refinepoi(tmp_path, *words)
        assert done.returncode == 0 and done.stdout.startswith("dataset:") and not done.stderr


def test_offline_logging_is_not_announced_by_a_library(tmp_path: Path) -> None:
    """A stage without inputs fails, but not before it has imported its trainer, for the first time in its process."""
    code = """
import inspect, os, sys
import datasets, peft  # what takes long and announces nothing, once for all
os.environ["WANDB_MODE"] = "offline"
from refinepoi.grpo.stage import report_rewards, train_grpo
from refinepoi.sft.stage import train_sft
announcing = "transformers.integrations.integration_utils"
assert announcing not in sys.modules
for stage in (train_sft, train_grpo, report_rewards):
    if not (child := os.fork()):
        try:
            stage.run(*[None] * len(inspect.signature(stage.run).parameters))
        except AttributeError:
            sys.exit(announcing not in sys.modules)
        sys.exit(2)
    assert os.waitpid(child, 0)[1] == 0, stage.name
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
