"""Runs that may stand in one ranking: same protocol, same samples. Others are kept apart, and the page says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from refinepoi.core.errors import UserError
from refinepoi.core.spec import canonical
from refinepoi.evaluation.table import MODELS, metric_names
from refinepoi.report.compare import Difference, Estimates, estimate, holm
from refinepoi.report.find import run_folders
from refinepoi.report.runs import Run
from refinepoi.report.settings import Configuration, Factor, configurations, factors, without_repeats
from refinepoi.report.spec import ReportSpec

SPLITS = ("validation", "test")  # validation first: it is what choices are made by


@dataclass(frozen=True, eq=False)
class Comparison:
    """The configurations of one protocol. estimates: split -> Estimates, only splits that have samples."""

    protocol: dict[str, Any]
    configurations: list[Configuration]
    factors: list[Factor]
    estimates: dict[str, Estimates]
    reference: int
    """Index into `configurations`."""

    @property
    def splits(self) -> list[str]:
        return list(self.estimates)

    @property
    def metrics(self) -> tuple[str, ...]:
        return next(iter(self.estimates.values())).metrics

    @property
    def counters(self) -> list[str]:
        """Methods that no run trained, best first by MRR on the first split."""
        estimates = self.estimates[self.splits[0]]
        names = [m for m in estimates.methods if m not in MODELS]
        return sorted(names, key=lambda m: (-estimates.mean(0, "MRR", m), m))

    def order(self, metric: str) -> list[int]:
        """Configurations from the best to the worst on validation (on test where there is no validation)."""
        estimates = self.estimates[self.splits[0]]
        return sorted(range(len(self.configurations)), key=lambda c: (-estimates.mean(c, metric), c))

    def label(self, index: int) -> str:
        """`weights.rank 4 · weights.soft 0.5`."""
        return " · ".join(f"{factor.short} {factor.texts[index]}" for factor in self.factors)

    def against(self, split: str, metric: str, reference: int) -> list[tuple[Difference, float] | None]:
        """Each configuration minus the reference, with Holm's p over all of them; None for the reference itself."""
        estimates = self.estimates[split]
        others = [c for c in range(len(self.configurations)) if c != reference]
        found = [estimates.difference(metric, c, reference) for c in others]
        adjusted = dict(zip(others, zip(found, holm([f.p for f in found]), strict=True), strict=True))
        return [adjusted.get(c) for c in range(len(self.configurations))]


def compare(runs: Sequence[Run], spec: ReportSpec) -> tuple[list[Comparison], list[str]]:
    """Comparisons by protocol, most runs first, and what the reader must know. Raises `UserError`."""
    whole = [run for run in runs if not run.lack]
    if not whole:
        raise UserError("\n".join(["report.runs: nothing to compare", *(f"  {r.folder}: {r.lack}" for r in runs)]))
    groups: dict[str, list[Run]] = {}
    for run in whole:
        groups.setdefault(canonical(run.protocol), []).append(run)
    found: list[Comparison] = []
    warnings: list[str] = []
    for group in sorted(groups.values(), key=lambda g: -len(g)):
        kept, repeats = without_repeats(group)
        if repeats:
            places = ", ".join(str(run.folder) for run in repeats)
            warnings.append(f"Left out, since later runs have the same settings and seeds: {places}")
        first = 1 + sum(len(c.configurations) for c in found)
        found.append(_comparison(kept, first, spec))
    if len(found) > 1:
        differing = ", ".join(_differing([c.protocol for c in found]))
        warnings.insert(
            0, f"The runs follow {len(found)} protocols ({differing} differ): they are ranked apart, never together."
        )
    for comparison in found:
        idle = [c.number for c in comparison.configurations if len({run.outcomes for run in c.runs}) < c.seeds]
        if idle:
            warnings.append(
                f"Configurations {', '.join(map(str, idle))}: some of their seeds led to the same ranks, so the spread "
                "over seeds is too small; sweep a seed that their training draws from."
            )
        lengths = {run.metrics["protocol"]["list_lengths"].get("policy") for run in _runs(comparison)}
        if len(lengths) > 1:
            top = comparison.metrics[-2]
            warnings.append(f"Lists of different length ({sorted(lengths)}): MRR depends on it, {top} does not.")
    if spec.reference and not any(c.reference >= 0 for c in found):
        raise UserError(f"report.reference: {spec.reference} is not among the runs that can be compared")
    return [_with_reference(c) for c in found], warnings


def _comparison(runs: list[Run], first: int, spec: ReportSpec) -> Comparison:
    found = configurations(runs, first)
    ks = sorted(set.intersection(*({*_ks(run)} for run in runs)))
    if not ks:
        raise UserError("report.runs: the runs were scored at different k (evaluation.scoring.ks), none in common")
    estimates = {split: e for split in SPLITS if (e := estimate(found, split, tuple(ks), spec)) is not None}
    if not estimates:
        raise UserError(f"report.runs: {runs[0].folder} has neither validation nor test samples")
    metrics = next(iter(estimates.values())).metrics
    if spec.metric not in metrics:
        raise UserError(f"report.metric: the runs have no {spec.metric}; one of {', '.join(metrics)}")
    reference = 0
    if spec.reference:
        wanted = set(run_folders([spec.reference]))
        matches = [n for n, c in enumerate(found) if wanted & {run.folder for run in c.runs}]
        reference = matches[0] if matches else -1
    return Comparison(runs[0].protocol, found, factors(found), estimates, reference)


def _with_reference(comparison: Comparison) -> Comparison:
    """A protocol that the chosen reference does not belong to takes its own first configuration."""
    if comparison.reference >= 0:
        return comparison
    return Comparison(
        comparison.protocol, comparison.configurations, comparison.factors, comparison.estimates, reference=0
    )


def _ks(run: Run) -> list[int]:
    return [int(name[4:]) for name in metric_names(run.metrics["methods"]["policy"]) if name.startswith("Acc@")]


def _differing(protocols: list[dict[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for protocol in protocols for name in protocol)
    differing = [n for n in names if len({canonical(p.get(n)) for p in protocols}) > 1]
    said = [n.replace("_", " ") for n in differing if n != "sample_digest"]
    return said or ["the samples"]


def _runs(comparison: Comparison) -> list[Run]:
    return [run for configuration in comparison.configurations for run in configuration.runs]
