"""Where the three configuration folders are: at the repository's top in a checkout, inside the package in a wheel."""

from pathlib import Path

CONFIG_FOLDERS = ("conf", "experiments", "multirun_sweeps")


def config_root() -> Path:
    """The absolute folder that holds `conf/`, `experiments/` and `multirun_sweeps/`."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "_config"
    return inside if inside.is_dir() else package.parent
