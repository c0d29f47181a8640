"""Figures: what is drawn, read from the figure; equal input gives equal bytes; odd input gives no crash."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from refinepoi.evaluation import plots


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures instead of files."""
    figures: list[Figure] = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: figures.append(figure))
    return figures


def metrics(names: list[str]) -> dict[str, Any]:
    methods = {
        name: {"Acc@1": 0.1 * i, "Acc@1_interval": [0.1 * i - 0.02, 0.1 * i + 0.03], "MRR": 0.2, "MRR@10": 0.15 * i}
        for i, name in enumerate(names, start=1)
    }
    return {"methods": methods, "samples": 9, "protocol": {"dataset": "toy", "history": "all"}}


def test_a_bar_for_each_method_with_its_interval(drawn: list[Figure], tmp_path: Path) -> None:
    plots.draw_methods(metrics(["policy", "warm_start", "counters_e"]), tmp_path / "methods.png")
    first, second = drawn[0].axes
    assert [a.get_title(loc="left") for a in (first, second)] == ["Acc@1", "MRR@10"]  # MRR of unequal lists is left out
    assert [label.get_text() for label in first.get_yticklabels()] == ["policy", "warm_start", "counters_e"]
    assert [round(bar.get_width(), 3) for bar in first.patches] == [0.1, 0.2, 0.3]
    spans = first.collections[0].get_segments()  # type: ignore[attr-defined]
    assert [[round(x, 3) for x, _ in span] for span in spans] == [[0.08, 0.13], [0.18, 0.23], [0.28, 0.33]]


def test_panels_share_training_and_held_out_values(drawn: list[Figure], tmp_path: Path) -> None:
    curves = {
        "train_sft": [{"step": s, "loss": 1.0 / (s + 1), "lr": 0.1} for s in range(60)]
        + [{"step": s, "validation_loss": 2.0 / (s + 1)} for s in (50, 10)]
        + [{"step": 3.0, "once": 1.0}, {"step": 4.0, "lr": math.nan}],
        "predict": [],
    }
    plots.draw_curves(curves, tmp_path / "curves.png")
    axes = drawn[0].axes
    assert [a.get_title(loc="left") for a in axes] == ["loss", "lr"]  # a single point is no curve
    lines = axes[0].get_lines()
    assert len(lines) == 3  # raw, running mean, validation
    assert lines[2].get_xdata().tolist() == [10, 50]
    np.testing.assert_allclose(lines[2].get_ydata(), [2 / 11, 2 / 51])


def test_running_mean_against_a_loop() -> None:
    values = np.random.default_rng(0).random(20)
    expected = [values[max(0, i - 2) : i + 3].mean() for i in range(20)]
    np.testing.assert_allclose(plots._running_mean(values, 5), expected)


def test_more_metrics_than_fit_are_announced(drawn: list[Figure], tmp_path: Path) -> None:
    rows = [{"step": float(s), **{f"metric_number_{i}_of_a_very_long_name": 1.0 for i in range(20)}} for s in range(3)]
    plots.draw_curves({"a": rows, "b": rows}, tmp_path / "curves.png")
    assert len(drawn[0].axes) == 2 * plots.PANELS
    assert [t.get_text() for t in drawn[0].texts] == [f"{stage}   (4 more in the curve file)" for stage in "ab"]
    boxes = [a.get_position() for a in drawn[0].axes]
    assert all(0 < b.x0 < b.x1 < 1 and 0 < b.y0 < b.y1 < 1 for b in boxes)
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


def test_equal_input_gives_equal_bytes_and_nothing_gives_no_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert plots.draw_methods(metrics(["policy"]), tmp_path / "deep" / f"{name}.png")
        plots.draw_curves({"s": [{"step": 0.0, "x": 1.0}, {"step": 1.0, "x": 1.0}]}, tmp_path / f"{name}_curves.png")
    deep = tmp_path / "deep"
    assert (deep / "a.png").read_bytes() == (deep / "b.png").read_bytes()
    assert (tmp_path / "a_curves.png").read_bytes() == (tmp_path / "b_curves.png").read_bytes()
    assert not plots.draw_methods(metrics([]), tmp_path / "none.png")
    assert not plots.draw_curves({"s": [{"step": 0.0, "once": 1.0}]}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
