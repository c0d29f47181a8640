"""The shape of the repository: short files, a tree in the README that is true, README commands that compose."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from refinepoi.launching.composition import check

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^\s*refinepoi( .*?)?(?:\s{2,}.*|\s+#.*)?$", README, re.M)))


def test_source_files_have_one_topic() -> None:
    long = {str(f.relative_to(ROOT)): n for f in (ROOT / "refinepoi").rglob("*.py")
            if (n := len(f.read_text().splitlines())) > 300}  # fmt: skip
    assert not long


def test_every_stage_package_says_what_it_is() -> None:
    for package in sorted(f.parent for f in (ROOT / "refinepoi").glob("*/__init__.py")):
        text = (package / "__init__.py").read_text()
        assert text.startswith('"""') and len(text) > 60, package


def test_readme_shows_the_commands() -> None:
    assert len(COMMANDS) >= 7


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_the_readme_composes(command: str, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        (tmp_path / f"NYC_{split}.csv").write_text("")
    (tmp_path / "checkins.csv").write_text(
        "User_id,POI_id,latitude,longitude,TimeStamp,POI_catname,POI_catid,Zone,user,poi,time\n"
    )
    words = [w.replace("FOLDER", str(tmp_path)).replace("FILE", f"{tmp_path}/checkins.csv") for w in command.split()]
    if {"--help", "--cfg", "goal=report"} & set(words) or any(w.startswith(("resume=", "reproduce=")) for w in words):
        return  # these are run in tests/pipeline
    check([w for w in words if w != "-m"], multirun="-m" in words)


def test_the_tree_in_the_readme_is_true() -> None:
    named = re.findall(r"^  ([a-z_]+)(?:\.py|/) ", README, re.M)
    there = {p.name.removesuffix(".py") for p in (ROOT / "refinepoi").iterdir() if not p.name.startswith("_")}
    assert set(named) == there


def test_help_is_light() -> None:
    code = (
        "import sys; sys.argv = ['refinepoi', '--help']\n"
        "from refinepoi.main import main; main()\n"
        "heavy = {'torch', 'hydra', 'polars', 'transformers', 'wandb', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    for word in ("experiments", "nyc", "som_grid", "semantic_ids", "reward", "examples"):
        assert word in done.stdout


def test_specs_are_light() -> None:
    code = (
        "import sys, refinepoi.experiment\n"
        "heavy = {'torch', 'pytorch_lightning', 'transformers', 'trl', 'peft', 'wandb', 'polars', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_nothing_unsafe_on_a_read_path() -> None:
    unsafe = re.compile(
        r"pickle\.load|torch\.load\((?!.*weights_only=True)|allow_pickle\s*=\s*True|yaml\.load\(|"
        r"trust_remote_code\s*=\s*True|shell\s*=\s*True|weights_only\s*=\s*False"
    )
    found = [
        f"{f}:{m.group()}" for f in (ROOT / "refinepoi").rglob("*.py") for m in [unsafe.search(f.read_text())] if m
    ]
    assert not found
