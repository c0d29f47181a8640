"""Configurations, factors, seeds: what tells runs apart."""

from pathlib import Path

from refinepoi.report.runs import Run, read_run
from refinepoi.report.settings import (
    common_overrides,
    configurations,
    factors,
    flatten,
    own_overrides,
    seed_texts,
    without_repeats,
)

RANK, SOFT = "reward.weights.rank", "reward.weights.soft"


def read(folders: list[Path]) -> list[Run]:
    return [read_run(folder) for folder in folders]


def test_flatten() -> None:
    tree = {"a": {"b": 1, "c": ["8x8", "4x4"]}, "d": None, "e": [{"x": 1}], "f": []}
    assert flatten(tree) == {"a.b": 1, "a.c": "8x8, 4x4", "d": None, "e": '[{"x": 1}]', "f": ""}


def test_seeds_of_one_configuration_come_together(make_run) -> None:
    order = [(2.0, 1), (1.0, 0), (2.0, 0), (1.0, 10), (1.0, 9)]
    runs = read([make_run(f"{n}", **{RANK: rank, "grpo.seed": seed}) for n, (rank, seed) in enumerate(order)])
    found = configurations(runs, first=4)
    assert [(c.number, c.seeds) for c in found] == [(4, 2), (5, 3)]
    assert [run.config["grpo"]["seed"] for c in found for run in c.runs] == [0, 1, 0, 9, 10]
    assert [f.key for f in factors(found)] == [RANK]
    assert factors(found)[0].texts == ("2", "1") and factors(found)[0].levels == ["1", "2"]
    assert seed_texts(runs) == ["grpo.seed 1", "grpo.seed 0", "grpo.seed 0", "grpo.seed 10", "grpo.seed 9"]


def test_seeds_that_follow_seed_are_said_once(make_run) -> None:
    runs = read([make_run(f"{n}", seed=n, **{"grpo.seed": n, "quantizer.seed": n}) for n in range(2)])
    assert seed_texts(runs) == ["seed 0", "seed 1"] and len(configurations(runs)) == 1


def test_what_changes_no_rank_is_no_setting(make_run) -> None:
    changed = {"name": "other", "runtime.store": "/x", "tracking.kind": "wandb", "evaluation.scoring.resamples": 9}
    runs = read([make_run("0"), make_run("1", **changed)])
    assert len(configurations(runs)) == 1
    kept, repeats = without_repeats(runs)
    assert [r.folder.name for r in kept] == ["1"] and [r.folder.name for r in repeats] == ["0"]


def test_settings_that_move_together_are_one_factor(make_run) -> None:
    small, large = {"model.hidden": 32, "model.layers": 2}, {"model.hidden": 64, "model.layers": 4}
    runs = read([make_run("0", **small), make_run("1", **large), make_run("2", **{**large, SOFT: 0.0})])
    for run in runs:
        run.outcome["overrides"] = ["model.layers=4"]
    first, second = factors(configurations(runs))
    assert (first.key, first.together) == ("model.layers", ("model.hidden",))
    assert (second.key, second.texts) == (SOFT, ("0.5", "0.5", "0"))


def test_levels_are_in_natural_order_and_absence_is_shown(make_run) -> None:
    grids = [["12x12"], ["8x8"], ["10x10"]]
    runs = read([make_run(f"{n}", **{"quantizer.levels": grid}) for n, grid in enumerate(grids)])
    del runs[1].config["model"]["layers"]
    found = {f.key: f for f in factors(configurations(runs))}
    assert found["quantizer.levels"].levels == ["8x8", "10x10", "12x12"]
    assert found["model.layers"].texts == ("2", "–", "2")


def test_overrides_of_all_are_said_apart(make_run) -> None:
    runs = read([make_run(f"{n}", overrides=("a=1", "b=2"), **{RANK: float(n)}) for n in range(2)])
    assert common_overrides(runs) == ["a=1", "b=2"]
    assert own_overrides(runs[1], common_overrides(runs)) == f"{RANK}=1.0"
