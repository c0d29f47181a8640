"""`refinepoi --help`: groups and options read from the folders, goals, examples. Imports nothing heavy."""

import re
from pathlib import Path

from refinepoi import __version__
from refinepoi.core.folders import config_root
from refinepoi.core.goals import GOALS

EXAMPLES = """\
  refinepoi                                                     everything, on the embedded city
  refinepoi experiments=nyc dataset.path=FOLDER                 the published New York split
  refinepoi goal=semantic_ids quantizer.levels=[16x16,16x16]    stop at the semantic IDs
  refinepoi reward.weights.rank=3 grpo.num_generations=8 model=tiny
  refinepoi multirun_sweeps=reward_weights                      a named sweep
  refinepoi multirun_sweeps=som_grid
  refinepoi -m grpo.seed=0,1,2                                  a sweep of your own
  refinepoi multirun_sweeps=som_grid plan=true                  what it would make, and cost; starts nothing
  refinepoi goal=recommend recommend.input=FILE                 next places for the people of a CSV, with a map page
  refinepoi goal=report report.runs=[FOLDER]                    one page that compares the jobs of a sweep, or runs
  refinepoi --cfg job                                           show the composed settings, run nothing"""

COMMANDS = """\
  plan=true         check every job, show what would be built and what it costs, start nothing
  resume=FOLDER     go on with a run or sweep, with the settings frozen in its folder
  reproduce=FOLDER  redo a run from nothing and compare every file"""


def help_page() -> str:
    root = config_root()
    conf = root / "conf"
    groups = sorted(folder.relative_to(conf).as_posix() for folder in conf.rglob("*") if folder.is_dir())
    lines = [f"refinepoi {__version__}: check-ins -> semantic IDs -> language model -> ranked next places", ""]
    lines += [
        "usage: refinepoi [group=option ...] [key.path=value ...] [-m]",
        "",
        "groups and their options (* is the default):",
    ]
    chosen = dict(re.findall(r"^  - (\w+): (\w+)$", (root / "conf" / "config.yaml").read_text(encoding="utf-8"), re.M))
    lines += [f"  {group:<16} {_options(root / 'conf' / group, chosen.get(group))}" for group in groups]
    lines += ["", "named sets of overrides:"]
    lines += [f"  {folder:<16} {_options(root / folder)}" for folder in ("experiments", "multirun_sweeps")]
    lines += ["", "commands (beside any settings, or with a folder alone):", COMMANDS]
    lines += ["", "goals (goal=...: that artifact and what it needs are made, no more):"]
    lines += [f"  {name:<16} {meaning}" for name, meaning in GOALS.items()]
    lines += ["", "examples:", EXAMPLES, "", "Every setting stands, with its meaning, in the files of the folder:"]
    lines += [f"  {root / 'conf'}"]
    return "\n".join(lines)


def _options(folder: Path, default: str | None = None) -> str:
    names = sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.glob("*.yaml"))
    return " ".join(f"{name}*" if name == default else name for name in names)
