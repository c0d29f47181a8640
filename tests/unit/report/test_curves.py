"""Learning curves: seeds as a band, shared artifacts as one line."""

import numpy as np

from refinepoi.report.curves import over_seeds, shared_lines
from refinepoi.report.runs import read_run
from refinepoi.report.settings import configurations
from refinepoi.report.svg import Scale, thinned, tick_text, widened


def test_seeds_become_mean_and_band() -> None:
    curves = [
        [{"step": 1, "reward": 1, "validation/MRR": 0.1}, {"step": 2, "reward": 3}, {"step": 3, "validation/MRR": 0.3}],
        [{"step": 1, "reward": 2.0}, {"step": 2, "reward": float("nan")}, {"step": 4, "reward": 5.0, "ids/x": 1.0}],
    ]  # fmt: skip
    found = over_seeds(curves)
    assert set(found) == {("reward", False), ("MRR", True)}, "single points are no curve"
    assert found["reward", False].tolist() == [[1, 1.5, 1, 2], [2, 3, 3, 3], [4, 5, 5, 5]]


def test_a_shared_artifact_is_one_line(make_run) -> None:
    runs = [read_run(make_run(f"{n}", draw=n, **{"reward.weights.rank": float(n)})) for n in range(3)]
    for run in runs[:2]:
        run.stages["policy"]["key"] = "same"
    lines = shared_lines(configurations(runs), "policy")
    assert [line.numbers for line in lines] == [(1, 2), (3,)]


def test_scales_and_ticks() -> None:
    scale = Scale(0.0, 0.4, 100, 0)
    assert (scale(0), scale(0.4), scale(0.1)) == (100, 0, 75)
    assert scale.ticks(4) == [0, 0.1, 0.2, 0.3, 0.4] or len(scale.ticks(4)) >= 3
    assert Scale(2, 2, 0, 10)(2) == 5
    low, high = widened([3.0, 3.0])
    assert low < 3 < high and widened([])[0] < widened([])[1]
    assert [tick_text(v) for v in (0.1 + 0.2, 1e-17 * 0, 2e-8, 1500.0)] == ["0.3", "0", "2e-8", "1500"]


def test_long_curves_are_thinned_by_means() -> None:
    points = np.stack([np.arange(1000.0), np.ones(1000)], 1)
    thin = thinned(points, 100)
    assert thin.shape == (100, 2) and thin[:, 0].mean() == points[:, 0].mean() and (thin[:, 1] == 1).all()
