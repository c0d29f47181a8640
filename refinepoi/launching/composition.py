"""From the words of the command line to checked experiments, before Hydra starts a job or makes a folder.

Hydra composes; this file asks it to, once for every job of a sweep, and turns its complaints into lines of ours. It
also registers the folders `experiments/` and `multirun_sweeps/` as config groups: what you see is what you type.
"""

import copy
import difflib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, OverrideType, ValueType
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from refinepoi.core.folders import CONFIG_FOLDERS, config_root
from refinepoi.experiment import ConfigurationError, Experiment, from_hydra

VERSION_BASE = "1.3"


class ConfigFolders(SearchPathPlugin):
    """Adds the folder that holds `experiments/` and `multirun_sweeps/` to Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append(provider="refinepoi", path=f"file://{config_root()}")


def register() -> None:
    """Make our configuration folders known to Hydra."""
    if ConfigFolders not in Plugins.instance().discover(SearchPathPlugin):
        Plugins.instance().register(ConfigFolders)


@dataclass(frozen=True)
class Job:
    """One job of a run or sweep: its overrides and its checked experiment."""

    overrides: tuple[str, ...]
    experiment: Experiment


@dataclass(frozen=True)
class Launch:
    """
    jobs: all points, duplicates included; one, for its settings only, where another sweeper draws the points.
    sweep: name of the sweep file, empty where there is none.  folder: of the run or sweep.
    enumerated: whether `jobs` are the jobs.
    """

    jobs: tuple[Job, ...]
    multirun: bool
    sweep: str
    folder: Path
    enumerated: bool


def check(words: list[str], multirun: bool) -> Launch:
    """Compose and validate every job. Raises `ConfigurationError` with all problems, each named once."""
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_root() / "conf"), version_base=VERSION_BASE):
        overrides = _parse(words)
        fixed = [_line(o) for o in overrides if not o.is_sweep_override()]
        unknown = _unknown_keys(overrides)
        base = _compose([line for line in fixed if line not in unknown], with_hydra=True)
        multirun = multirun or (base.hydra.mode is not None and base.hydra.mode.name == "MULTIRUN")
        sweeping = [o for o in overrides if o.is_sweep_override()]
        if sweeping and not multirun:
            raise ConfigurationError([f"{o.input_line}: several values; add -m to sweep over them" for o in sweeping])
        points = _points(base, overrides) if multirun else [()]
        problems = list(unknown.values()) + _refused(overrides)
        lines = [line for line in fixed if line not in unknown]
        tree = _compose(lines)
        jobs = []
        for point in points:
            try:
                jobs.append(Job(point, from_hydra(_with_point(tree, lines, point))))
            except ConfigurationError as error:
                problems += [p for p in error.problems if p not in problems]
        if multirun and not _enumerates(base) and jobs and jobs[0].experiment.goal != "metrics":
            problems.append(f"goal: {jobs[0].experiment.goal} gives the sweeper no validation MRR; goal=metrics does")
    GlobalHydra.instance().clear()
    if problems:
        raise ConfigurationError(problems)
    sweep = str(OmegaConf.select(base, "hydra.runtime.choices.multirun_sweeps") or "")
    folder = Path(base.hydra.sweep.dir if multirun else base.hydra.run.dir).absolute()
    return Launch(tuple(jobs), multirun, sweep, folder, _enumerates(base))


def _parse(words: list[str]) -> list[Override]:
    parsed, problems = [], []
    for word in words:
        try:
            parsed += OverridesParser.create().parse_overrides([word])
        except HydraException:
            problems.append(f"{word}: not an override; write key=value, quoted where the value holds blanks")
    if problems:
        raise ConfigurationError(problems)
    return parsed


def _refused(overrides: list[Override]) -> list[str]:
    """Keys of Hydra's that this program depends on."""
    return [
        f"{o.key_or_group}: is set by refinepoi, which finds jobs by their number; take it away"
        for o in overrides
        if o.key_or_group in ("hydra.sweep.subdir", "hydra.job.chdir", "hydra.output_subdir")
    ]


def _with_point(tree: DictConfig, lines: list[str], point: tuple[str, ...]) -> DictConfig:
    """The settings of one job. Plain values are put into the composed tree, which is 20 times as fast as composing."""
    parsed = _parse(list(point))
    if not all(o.type is OverrideType.CHANGE and not _is_group(o.key_or_group) for o in parsed):
        try:
            return _compose([*lines, *point])
        except ConfigurationError as error:
            raise ConfigurationError([f"{' '.join(point)}: {problem}" for problem in error.problems]) from None
    changed = copy.deepcopy(tree)
    try:
        for o in parsed:
            OmegaConf.update(changed, o.key_or_group, o.value(), merge=True)
    except OmegaConfBaseException as error:
        raise ConfigurationError([f"{' '.join(point)}: {' '.join(str(error).split())}"]) from None
    return changed


def _compose(lines: list[str], with_hydra: bool = False) -> DictConfig:
    try:
        return compose("config", overrides=lines, return_hydra_config=with_hydra)
    except (HydraException, OmegaConfBaseException) as error:
        text = " ".join(str(error).split())
        raise ConfigurationError([_about_group(text) or text]) from None


def _about_group(text: str) -> str | None:
    """Hydra's `Could not find 'dataset/nix'` in our words."""
    _, found, rest = text.partition("Could not find '")
    if not found:
        return None
    group, _, option = rest.split("'")[0].rpartition("/")
    folder = config_root() / (group if group in CONFIG_FOLDERS else f"conf/{group}")
    options = sorted(file.stem for file in folder.glob("*.yaml"))
    if not options:
        return f"{group}: no such group; see refinepoi --help"
    near = difflib.get_close_matches(option, options, n=1)
    hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(options)}"
    return f"{group}: no option {option!r}; {hint}"


def _unknown_keys(overrides: list[Override]) -> dict[str, str]:
    """Value overrides whose key exists neither in the composed tree nor as a group: input line -> problem."""
    groups = [o for o in overrides if _is_group(o.key_or_group) and not o.is_sweep_override()]
    swept = [o for o in overrides if _is_group(o.key_or_group) and o.is_sweep_override() and o.is_discrete_sweep()]
    tree = _compose([_line(o) for o in groups])
    choices = [tree]
    for o in swept:
        if o.value_type is not ValueType.GLOB_CHOICE_SWEEP:
            one_by_one = ([*map(_line, groups), f"{o.get_key_element()}={text}"] for text in o.sweep_string_iterator())
            choices += [_compose(lines) for lines in one_by_one]
    unknown = {}
    for o in overrides:
        key = o.key_or_group
        if _is_group(key) or key.startswith("hydra") or o.type is not OverrideType.CHANGE:
            continue
        parent, _, leaf = key.rpartition(".")
        nodes: list[Any] = [OmegaConf.select(choice, parent) if parent else choice for choice in choices]
        if any(
            isinstance(node, DictConfig) and leaf in list(node.keys()) for node in nodes
        ):  # `in` denies mandatory ones
            continue
        near = difflib.get_close_matches(key, list(_keys(tree)), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "see refinepoi --help"
        unknown[_line(o)] = f"{key}: unknown key (got {o.value()!r}); {hint}"
    return unknown


def _line(override: Override) -> str:
    return override.input_line or ""


def _is_group(key: str) -> bool:
    root = config_root()
    return key in CONFIG_FOLDERS[1:] or "/" in key or (root / "conf" / key).is_dir()


def _keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in map(str, node):
        path = f"{prefix}{key}"
        yield path
        if not OmegaConf.is_missing(node, key) and isinstance(node._get_node(key), DictConfig):
            yield from _keys(node._get_node(key), f"{path}.")  # type: ignore[arg-type]


def _enumerates(base: DictConfig) -> bool:
    return bool(base.hydra.sweeper._target_.endswith("BasicSweeper"))


def _points(base: DictConfig, overrides: list[Override]) -> list[tuple[str, ...]]:
    """The product of all choices. Other sweepers choose by themselves: one point."""
    if not _enumerates(base):
        return [()]
    params = base.hydra.sweeper.params or {}
    stored = _parse([f"{key}={value}" for key, value in params.items()])
    named = {o.key_or_group for o in overrides}  # the command line replaces an axis of the sweep file
    axes = []
    for o in [*(s for s in stored if s.key_or_group not in named), *(o for o in overrides if o.is_sweep_override())]:
        if o.value_type is ValueType.GLOB_CHOICE_SWEEP:
            folder = config_root() / ("" if o.key_or_group in CONFIG_FOLDERS else "conf") / o.key_or_group
            names = cast(Glob, o.value()).filter(sorted(file.stem for file in folder.glob("*.yaml")))
            axes.append([f"{o.get_key_element()}={name}" for name in names])
        elif o.is_sweep_override():
            axes.append([f"{o.get_key_element()}={text}" for text in o.sweep_string_iterator()])
        else:
            axes.append([_line(o)])
    return list(itertools.product(*axes))
