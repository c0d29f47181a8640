"""What may stand in one ranking, and what is said about the rest."""

import json

import pytest

from refinepoi.core.errors import DataError, UserError
from refinepoi.report.comparison import compare
from refinepoi.report.runs import read_run
from refinepoi.report.tables import effect_table, metrics_table, ranking_table, significance_table, strata_table
from refinepoi.report.write import write_report

RANK = "reward.weights.rank"


def compared(folders, spec):
    return compare([read_run(folder) for folder in folders], spec)


def test_other_protocols_are_ranked_apart(make_run, spec) -> None:
    folders = [make_run("0"), make_run("1", draw=1, **{RANK: 2.0}), make_run("2", protocol={"history": "train_prefix"})]
    found, warnings = compared(folders, spec)
    assert [[c.number for c in comparison.configurations] for comparison in found] == [[1, 2], [3]]
    assert "2 protocols (history differ)" in warnings[0] and "never together" in warnings[0]


def test_other_samples_are_another_protocol(make_run, spec) -> None:
    import polars as pl

    folders = [make_run("0"), make_run("1", **{RANK: 2.0})]
    ranks = pl.read_parquet(folders[1] / "ranks.parquet")
    ranks.with_columns(target=pl.col("target") + 1).write_parquet(folders[1] / "ranks.parquet")
    found, warnings = compared(folders, spec)
    assert len(found) == 2 and "the samples differ" in warnings[0]


def test_runs_that_cannot_be_compared(make_run, spec) -> None:
    folders = [make_run("0"), make_run("1", error="CUDA out of memory"), make_run("2", **{RANK: 3.0})]
    (folders[2] / "ranks.parquet").unlink()
    (folders[0].parent / "3").mkdir()
    (folders[0].parent / "3" / "config.yaml").write_text("goal: metrics")
    runs = [read_run(folder) for folder in [*folders, folders[0].parent / "3"]]
    assert [run.status for run in runs] == ["done", "failed", "done", "unfinished"]
    assert [run.lack[:12] for run in runs] == ["", "CUDA out of ", "no ranks.par", "unfinished"]
    found, _ = compare(runs, spec)
    assert len(found) == 1 and len(found[0].configurations) == 1


def test_nothing_to_compare_names_every_run(make_run, spec, tmp_path) -> None:
    make_run("0", error="boom"), make_run("1", goal="policy", error="bang")
    with pytest.raises(UserError, match=r"nothing to compare\n.*0: boom\n.*1: bang"):
        write_report(tmp_path, spec)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"metric": "Acc@3"}, "report.metric: the runs have no Acc@3; one of Acc@1, Acc@5"),
     ({"reference": "OTHER"}, "report.reference: .* is not among the runs")],
)  # fmt: skip
def test_wrong_choices_are_refused(make_run, spec, change, said) -> None:
    folders = [make_run("0"), make_run("1", **{RANK: 2.0})]
    other = make_run("other", error="failed")
    change = {key: str(other) if value == "OTHER" else value for key, value in change.items()}
    with pytest.raises(UserError, match=said):
        compared(folders, spec.model_copy(update=change))


def test_reference_and_order(make_run, spec) -> None:
    folders = [make_run(f"{n}", quality, n, **{RANK: float(n)}) for n, quality in enumerate((0.2, 0.6, 0.4))]
    found, _ = compared(folders, spec.model_copy(update={"reference": str(folders[1])}))
    comparison = found[0]
    assert comparison.reference == 1 and comparison.order("MRR") == [1, 2, 0]
    gains = comparison.against("test", "MRR", 1)
    assert gains[1] is None and all(g is not None and g[0].mean < 0 and g[1] >= g[0].p for g in (gains[0], gains[2]))
    assert [row.cells[0].text for row in ranking_table(comparison, "MRR").rows] == ["2", "3", "1", "counters_e"]


def test_repeats_and_idle_seeds_are_said(make_run, spec) -> None:
    folders = [make_run("0"), make_run("1"), make_run("2", **{"grpo.seed": 5})]
    found, warnings = compared(folders, spec)
    assert found[0].configurations[0].seeds == 2
    assert any("Left out" in w and str(folders[0]) in w for w in warnings)
    assert any("same ranks" in w for w in warnings)


def test_broken_files_are_named(make_run) -> None:
    folder = make_run("0")
    (folder / "metrics.json").write_text("{")
    with pytest.raises(DataError, match=r"metrics\.json: cannot be read"):
        read_run(folder)
    (folder / "config.yaml").write_text("- 1")
    with pytest.raises(DataError, match=r"config\.yaml: holds no settings"):
        read_run(folder)


def test_tables_say_what_the_runs_say(make_run, spec) -> None:
    folders = [make_run(f"{n}", 0.3 + 0.1 * n, n, **{RANK: float(1 + n // 2), "grpo.seed": n % 2}) for n in range(4)]
    comparison = compared(folders, spec)[0][0]
    contents = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
    table = metrics_table(comparison)
    titles = [column.title for column in table.columns]
    for row in table.rows[:2]:
        first = 2 * (row.configuration - 1)
        for metric in ("Acc@1", "MRR", "NDCG@10"):
            for split, part in (("test", lambda c: c["methods"]), ("validation", lambda c: c["validation"]["methods"])):
                expected = sum(part(contents[n])["policy"][metric] for n in (first, first + 1)) / 2
                cell = row.cells[titles.index(f"{metric} {split}")]
                assert cell.value == pytest.approx(expected) and cell.low <= cell.value <= cell.high
    assert [row.cells[0].text for row in table.rows[2:]] == ["counters_e"]
    strata = strata_table(comparison, "MRR")
    assert [row.cells[1].text for row in strata.rows] == ["low", "high"], "by their ranges, not their names"
    expected = sum(contents[n]["strata"]["activity"]["low"]["methods"]["policy"]["MRR"] for n in (0, 1)) / 2
    assert strata.rows[0].cells[3].value == pytest.approx(expected)
    effects = effect_table(comparison, "MRR")
    means = [comparison.estimates["validation"].mean(c, "MRR") for c in (0, 1)]
    assert effects.rows[0].cells[2].value == pytest.approx(abs(means[0] - means[1]))
    minus = [row.cells[1].text for row in significance_table(comparison, "MRR").rows]
    counter = "counters_e, MRR@10"  # MRR of a whole ranking is no match for MRR of a list
    assert minus == ["warm_start", counter, "configuration 1", "warm_start", counter]
