"""The tables of a report as content: columns and cells, the same for the page, Markdown, LaTeX and CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from refinepoi.report.compare import Difference, Estimates
from refinepoi.report.comparison import Comparison
from refinepoi.report.runs import Run
from refinepoi.report.settings import Configuration, common_overrides, own_overrides, seed_texts


@dataclass(frozen=True)
class Cell:
    """value: what sorts and goes to CSV.  low, high: interval.  sd: over seeds.  note: small text beside the value."""

    text: str
    value: float | str | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    note: str = ""
    best: bool = False


@dataclass(frozen=True)
class Column:
    """kind: text, number or interval.  hint: what the head means.  strip: (least, most) of a drawn interval."""

    title: str
    kind: str = "number"
    hint: str = ""
    strip: tuple[float, float] | None = None


@dataclass(frozen=True)
class Row:
    """configuration: its number on the page, 0 where the row belongs to none (a counter's)."""

    cells: tuple[Cell, ...]
    configuration: int = 0


@dataclass(frozen=True)
class Table:
    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def metrics_table(comparison: Comparison) -> Table:
    """Configurations, then counters, against all metrics: validation and test side by side."""
    order = comparison.order(comparison.metrics[0] if "MRR" not in comparison.metrics else "MRR")
    pairs = [(metric, split) for metric in comparison.metrics for split in comparison.splits]
    columns = [*_head(comparison), *(Column(f"{metric} {split}", "interval") for metric, split in pairs)]
    best = {
        pair: max(range(len(order)), key=lambda c, p=pair: comparison.estimates[p[1]].mean(c, p[0]))  # type: ignore[misc]
        for pair in pairs
    }
    rows = []
    for c in order:
        cells = [_estimate(comparison.estimates[s], c, m, best=best[m, s] == c) for m, s in pairs]
        rows.append(Row((*_name(comparison, c), *cells), comparison.configurations[c].number))
    rows += counter_rows(comparison, pairs)
    return Table("metrics", "All metrics", tuple(columns), tuple(rows))


def ranking_table(comparison: Comparison, metric: str) -> Table:
    """One metric with drawn intervals, and what each configuration gains over the reference."""
    pairs = [(metric, split) for split in comparison.splits]
    low, high = strip_range(comparison, metric)
    columns = [*_head(comparison), *(Column(split, "interval", strip=(low, high)) for split in comparison.splits)]
    compared = comparison.splits if len(comparison.configurations) > 1 else []
    columns += [Column(f"Δ {split}", "difference", "minus the reference, over the same samples") for split in compared]
    rows = []
    gains = {split: comparison.against(split, metric, comparison.reference) for split in compared}
    for place, c in enumerate(comparison.order(metric)):
        cells = [_estimate(comparison.estimates[s], c, m, best=place == 0) for m, s in pairs]
        cells += [difference_cell(gains[split][c]) for split in compared]
        rows.append(Row((*_name(comparison, c), *cells), comparison.configurations[c].number))
    blank = tuple(Cell("") for _ in compared)
    rows += [Row((*row.cells, *blank)) for row in counter_rows(comparison, pairs)]
    return Table("ranking", metric, tuple(columns), tuple(rows))


def strip_range(comparison: Comparison, metric: str) -> tuple[float, float]:
    """What the drawn intervals span: from 0 to the highest end of all methods."""
    ends = [
        estimates.interval(c, metric, method)[1]
        for estimates in comparison.estimates.values()
        for c in range(len(comparison.configurations))
        for method in ("policy", *comparison.counters)
    ]
    return 0.0, max(*ends, 1e-3) * 1.02


def counter_rows(comparison: Comparison, pairs: Sequence[tuple[str, str]]) -> list[Row]:
    """What counting alone reaches. One row a counter: it sees what every configuration sees (the first is read)."""
    blank = [Cell("") for _ in comparison.factors] + [Cell("")]
    return [
        Row((Cell(name, name), *blank, *(_estimate(comparison.estimates[s], 0, m, name) for m, s in pairs)))
        for name in comparison.counters
    ]


def significance_table(comparison: Comparison, metric: str) -> Table:
    """Each configuration minus the reference and minus its own warm start and counters, with p-values."""
    columns = [Column("configuration"), Column("minus", "text")]
    for split in comparison.splits:
        columns += [Column(split, "interval"), Column(f"p {split}"), Column(f"p Holm {split}")]
    rows: list[Row] = []
    reference = comparison.configurations[comparison.reference].number
    gains = {split: comparison.against(split, metric, comparison.reference) for split in comparison.splits}
    for c, configuration in enumerate(comparison.configurations):
        name = Cell(str(configuration.number), configuration.number)
        pairs = [gain for split in comparison.splits if (gain := gains[split][c])]
        if pairs:
            cells = [cell for difference, adjusted in pairs for cell in _with_p(difference, adjusted)]
            rows.append(Row((name, Cell(f"configuration {reference}"), *cells), configuration.number))
        for method in own_methods(comparison):
            by = fair(comparison, metric, method)
            found = [comparison.estimates[split].difference(by, c, c, against=method) for split in comparison.splits]
            cells = [cell for gain in found for cell in _with_p(gain, None)]
            minus = method if by == metric else f"{method}, {by}"
            rows.append(Row((name, Cell(minus, minus), *cells), configuration.number))
    return Table("significance", f"Paired differences of {metric}", tuple(columns), tuple(rows))


def own_methods(comparison: Comparison) -> list[str]:
    """What a run's policy is held against within the run: the model before GRPO, and the best counters."""
    before = [m for m in ("warm_start",) if m in next(iter(comparison.estimates.values())).methods]
    named = [m for m in comparison.counters if any(f"policy - {m}" in r.metrics["paired"] for r in runs_of(comparison))]
    return [*before, *dict.fromkeys([*comparison.counters[:1], *named])]


def fair(comparison: Comparison, metric: str, method: str) -> str:
    """The metric by which a policy and a method compare: MRR@k for MRR over a list and over a whole ranking."""
    return comparison.metrics[-2] if metric == "MRR" and method in comparison.counters else metric


def own_table(comparison: Comparison, metric: str) -> Table:
    """The same for the page: one row a configuration, one column a method and split."""
    methods = own_methods(comparison)
    pairs = [(method, split) for method in methods for split in comparison.splits]
    by = {m: fair(comparison, metric, m) for m in methods}
    titles = [f"minus {m}{'' if by[m] == metric else f', {by[m]},'} {s}" for m, s in pairs]
    columns = [*_head(comparison), *(Column(title, "difference") for title in titles)]
    rows = []
    for c in comparison.order(metric):
        gains = [comparison.estimates[s].difference(by[m], c, c, against=m) for m, s in pairs]
        cells = [difference_cell((gain, None)) for gain in gains]
        rows.append(Row((*_name(comparison, c), *cells), comparison.configurations[c].number))
    return Table("own", metric, tuple(columns), tuple(rows))


def strata_table(comparison: Comparison, metric: str) -> Table:
    """Test samples by stratum: each configuration's mean over its seeds, then warm start and counters of the first."""
    first = runs_of(comparison)[0].metrics["strata"]
    others = own_methods(comparison)
    columns = [Column("by", "text"), Column("group", "text"), Column("n")]
    columns += [Column(str(c.number), "number", comparison.label(n)) for n, c in enumerate(comparison.configurations)]
    columns += [Column(method) for method in others]
    rows = []
    for stratum, groups in first.items():
        for label, group in sorted(groups.items(), key=lambda item: (item[1].get("range", [0.0])[0], item[0])):
            values = [_stratum(configuration, stratum, label, metric) for configuration in comparison.configurations]
            known = [value for value in values if value is not None]
            cells = [_plain(v, best=v is not None and min(known) < v == max(known)) for v in values]
            cells += [_plain(group["methods"].get(method, {}).get(metric)) for method in others]
            low, high = group.get("range", (None, None))
            note = "" if low is None else f"{low:.3g} to {high:.3g}"
            head = (
                Cell(stratum, stratum),
                Cell(label, label, note=note),
                Cell(f"{group['samples']}", group["samples"]),
            )
            rows.append(Row((*head, *cells)))
    return Table("strata", f"{metric} by stratum, test", tuple(columns), tuple(rows))


def effect_table(comparison: Comparison, metric: str) -> Table:
    """How far the means of a setting's values lie apart on validation, largest first."""
    estimates = comparison.estimates[comparison.splits[0]]
    rows = []
    for factor in comparison.factors:
        means = []
        for level in factor.levels:
            members = [c for c, text in enumerate(factor.texts) if text == level]
            means.append(sum(estimates.mean(c, metric) for c in members) / len(members))
        best = max(range(len(means)), key=means.__getitem__)
        span = max(means) - min(means)
        rows.append((span, factor, factor.levels[best], max(means)))
    rows.sort(key=lambda row: -row[0])
    columns = (Column("setting", "text"), Column("values"), Column("span of means"), Column("best value", "text"))
    return Table(
        "effects",
        f"Effect of each setting on {metric}",
        (*columns, Column("its mean")),
        tuple(
            Row((Cell(f.key, f.key), _count(len(f.levels)), _plain(span), Cell(best, best), _plain(mean)))
            for span, f, best, mean in rows
        ),
    )


def difference_cell(gain: tuple[Difference, float | None] | None) -> Cell:
    """`+0.012 [-0.004, 0.030] p .21`; the p is Holm's where there is one."""
    if gain is None:
        return Cell("reference", 0.0)
    difference, adjusted = gain
    p = difference.p if adjusted is None else adjusted
    sure = p < 0.05
    return Cell(f"{difference.mean:+.3f}", difference.mean, difference.low, difference.high, note=p_text(p), best=sure)


def p_text(p: float) -> str:
    """With blanks that do not break."""
    text = "p < .001" if p < 0.001 else "p = 1" if p > 0.9994 else f"p = {p:.3f}".replace("0.", ".", 1)
    return text.replace(" ", "\u00a0")


def runs_of(comparison: Comparison) -> list[Run]:
    return [run for configuration in comparison.configurations for run in configuration.runs]


def runs_table(runs: Sequence[Run], numbers: dict[Run, int], names: dict[Run, str]) -> Table:
    """Every run that was named, done or not. numbers: the configuration of those that are compared."""
    columns = (
        Column("run", "text"), Column("configuration"), Column("status", "text"), Column("seeds", "text"),
        Column("made", "text", "stages that this run computed; the others came from the store"), Column("seconds"),
        Column("overrides", "text", "those that not all runs share"), Column("not compared because", "text"),
    )  # fmt: skip
    rows, common = [], common_overrides(runs)
    for run, seed in zip(runs, seed_texts(runs), strict=True):
        made = [name for name, record in run.stages.items() if not record["hit"]]
        seconds = sum(float(run.stages[name]["seconds"]) for name in made)
        number = numbers.get(run, 0)
        lack = run.lack and f"{run.lack} ({run.log})" if run.status != "done" else run.lack
        texts = (run.status, seed, ", ".join(made) or "nothing" if run.stages else "")
        cells = (
            Cell(names[run], names[run]), Cell(str(number or ""), number), *(Cell(t, t) for t in texts),
            Cell(f"{seconds:.0f}" if run.stages else "", seconds),
            Cell(own := own_overrides(run, common), own), Cell(lack, lack),
        )  # fmt: skip
        rows.append(Row(cells, number))
    return Table("runs", "Runs", columns, tuple(rows))


def _head(comparison: Comparison) -> list[Column]:
    factors = []
    for factor in comparison.factors:
        hint = f"together with {', '.join(factor.together)}" if factor.together else ""
        factors.append(Column(factor.key, "number" if _numeric(factor.values) else "text", hint))
    return [Column("configuration"), *factors, Column("seeds")]


def _name(comparison: Comparison, c: int) -> list[Cell]:
    configuration = comparison.configurations[c]
    values = [
        Cell(f.texts[c], v if isinstance(v := f.values[c], int | float) else f.texts[c]) for f in comparison.factors
    ]
    return [Cell(str(configuration.number), configuration.number), *values, _count(configuration.seeds)]


def _estimate(estimates: Estimates, c: int, metric: str, method: str = "policy", best: bool = False) -> Cell:
    mean = estimates.mean(c, metric, method)
    low, high = estimates.interval(c, metric, method)
    sd = estimates.spread(c, metric, method) if method == "policy" else None
    return Cell(f"{mean:.3f}", mean, low, high, sd, "" if sd is None else f"sd {sd:.3f}", best)


def _with_p(difference: Difference, adjusted: float | None) -> list[Cell]:
    cells = [Cell(f"{difference.mean:+.3f}", difference.mean, difference.low, difference.high)]
    return [*cells, *(_plain(p) for p in (difference.p, adjusted))]


def _stratum(configuration: Configuration, stratum: str, label: str, metric: str) -> float | None:
    found: list[Any] = [run.metrics["strata"].get(stratum, {}).get(label) for run in configuration.runs]
    values = [group["methods"]["policy"][metric] for group in found if group and metric in group["methods"]["policy"]]
    return sum(values) / len(values) if values else None


def _plain(value: float | None, best: bool = False) -> Cell:
    return Cell("–" if value is None else f"{value:.3f}", value, best=best)


def _count(value: int) -> Cell:
    return Cell(str(value), value)


def _numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
