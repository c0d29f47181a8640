"""The statistics against plain loops, and p-values that keep their promise."""

import numpy as np
import pytest
from scipy import stats

from refinepoi.core.seeding import generator
from refinepoi.report.compare import estimate, holm, over_seeds, two_sided
from refinepoi.report.runs import read_run
from refinepoi.report.settings import configurations
from refinepoi.report.spec import ReportSpec

KS = (1, 5, 10)


def reciprocal(rank: float) -> float:
    return 0.0 if np.isnan(rank) or np.isinf(rank) else 1 / rank


def by_hand(run, method: str, split: int) -> list[float]:
    rows = sorted(run.ranks.rows(named=True), key=lambda row: row["query"])
    return [reciprocal(row["rank"]) for row in rows if row["method"] == method and row["split"] == split]


@pytest.fixture
def found(make_run):
    qualities = [(1.0, 0, 0.3), (1.0, 1, 0.35), (2.0, 0, 0.5), (2.0, 1, 0.45), (4.0, 0, 0.4)]
    folders = [
        make_run(f"{n}", quality, n, **{"reward.weights.rank": rank, "grpo.seed": seed})
        for n, (rank, seed, quality) in enumerate(qualities)
    ]
    return configurations([read_run(folder) for folder in folders])


def test_means_and_spread_are_those_of_the_seeds(found, spec: ReportSpec) -> None:
    estimates = estimate(found, "test", KS, spec)
    assert estimates is not None and estimates.methods == ("policy", "warm_start", "counters_e")
    for c, configuration in enumerate(found):
        for method in estimates.methods:
            seeds = [float(np.mean(by_hand(run, method, 2))) for run in configuration.runs]
            assert estimates.mean(c, "MRR", method) == pytest.approx(np.mean(seeds), abs=1e-12)
            spread = estimates.spread(c, "MRR", method)
            assert spread is None if len(seeds) == 1 else spread == pytest.approx(np.std(seeds, ddof=1), abs=1e-12)


@pytest.mark.parametrize("unit", ["sample", "user"])
def test_differences_against_a_plain_loop(found, spec: ReportSpec, unit: str) -> None:
    """The same resamples, drawn again and averaged one by one."""
    spec = spec.model_copy(update={"unit": unit, "resamples": 150})
    estimates = estimate(found, "test", KS, spec)
    assert estimates is not None
    values = [[by_hand(run, "policy", 2) for run in c.runs] for c in found]
    users = [row["user"] for row in sorted(found[0].runs[0].ranks.rows(named=True), key=lambda r: r["query"])
             if row["method"] == "policy" and row["split"] == 2]  # fmt: skip
    units = [[n] for n in range(60)] if unit == "sample" else [
        [n for n, user in enumerate(users) if user == u] for u in range(15)
    ]  # fmt: skip
    draw = generator(spec.seed, "bootstrap", "test")
    chosen = draw.integers(len(units), size=(150, len(units)))
    seeds = {
        c.number: generator(spec.seed, "seeds", "test", c.seed_values).integers(c.seeds, size=(150, c.seeds))
        for c in found
    }
    for one, other in ((1, 0), (2, 0), (2, 1)):
        expected = []
        for r in range(150):
            rows = [n for u in chosen[r] for n in units[u]]
            means = []
            for c in (one, other):
                pick = seeds[found[c].number][r] if found[c].seeds > 1 else [0]
                means.append(np.mean([np.mean([values[c][s][n] for n in rows]) for s in pick]))
            expected.append(means[0] - means[1])
        difference = estimates.difference("MRR", one, other)
        plain = [np.mean([np.mean(v) for v in values[c]]) for c in (one, other)]
        assert difference.mean == pytest.approx(plain[0] - plain[1], abs=1e-12)
        low, high = np.quantile(expected, [0.025, 0.975])
        assert (difference.low, difference.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
        at_most = min(sum(e <= 0 for e in expected), sum(e >= 0 for e in expected))
        assert difference.p == pytest.approx(min(1, 2 * (1 + at_most) / 151))


def test_a_configuration_does_not_differ_from_itself(found, spec: ReportSpec) -> None:
    estimates = estimate(found, "validation", KS, spec)
    assert estimates is not None
    same = estimates.difference("MRR", 0, 0)
    assert (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_equal_seeds_are_drawn_together(found) -> None:
    """Configurations that ran with the same seeds are compared seed by seed."""
    assert found[0].seed_values == found[1].seed_values != found[2].seed_values


def test_seeds_widen_the_interval(found, spec: ReportSpec) -> None:
    wide = estimate(found, "test", KS, spec.model_copy(update={"resamples": 4000}))
    assert wide is not None
    means = np.stack([np.zeros((4000, 2)), np.ones((4000, 2))], 1)
    drawn = over_seeds(means, np.random.default_rng(0))
    assert drawn.shape == (4000, 2) and set(np.unique(drawn)) == {0.0, 0.5, 1.0}
    assert abs(float(drawn.mean()) - 0.5) < 0.03


def test_p_values_are_uniform_where_nothing_differs() -> None:
    """2,000 paired experiments without a difference: about 5 % come out below .05."""
    draw = np.random.default_rng(3)
    values = []
    for _ in range(2000):
        difference = draw.normal(size=60)
        weights = draw.multinomial(60, [1 / 60] * 60, size=200)
        values.append(two_sided(weights @ difference / 60))
    assert 0.03 < np.mean(np.array(values) < 0.05) < 0.08
    assert 0.4 < np.mean(values) < 0.6


def test_p_is_never_zero_and_one_of_equal_draws() -> None:
    assert two_sided(np.full(99, 0.1)) == pytest.approx(0.02)
    assert two_sided(np.zeros(99)) == 1.0
    assert two_sided(np.array([-1.0, 1.0])) == 1.0


def test_holm_by_its_definition() -> None:
    draw = np.random.default_rng(5)
    for _ in range(50):
        values = draw.random(draw.integers(1, 8)) ** 3
        order = sorted(range(len(values)), key=lambda n: values[n])
        expected = [0.0] * len(values)
        for rank, place in enumerate(order):
            expected[place] = max(min(1.0, (len(values) - r) * values[order[r]]) for r in range(rank + 1))
        assert holm(values) == pytest.approx(expected)
    assert holm([]) == [] and holm([0.04, 0.01]) == [0.04, 0.02]


def test_intervals_agree_with_the_normal_approximation(found, spec: ReportSpec) -> None:
    estimates = estimate(found, "test", KS, spec.model_copy(update={"resamples": 4000}))
    assert estimates is not None
    values = np.array(by_hand(found[2].runs[0], "policy", 2))
    low, high = estimates.interval(2, "MRR")
    half = stats.norm.ppf(0.975) * values.std() / np.sqrt(len(values))
    assert (high - low) / 2 == pytest.approx(half, rel=0.08) and (low + high) / 2 == pytest.approx(
        values.mean(), abs=0.01
    )


def test_a_split_without_samples_is_left_out(found, spec: ReportSpec) -> None:
    import polars as pl

    for configuration in found:
        for run in configuration.runs:
            run.__dict__["ranks"] = run.ranks.filter(pl.col("split") == 2)
    assert estimate(found, "validation", KS, spec) is None and estimate(found, "test", KS, spec) is not None
