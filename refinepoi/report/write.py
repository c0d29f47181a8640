"""`goal=report`: read the named runs, compare them, write the page and the tables into the run folder."""

import logging
import os
from pathlib import Path
from typing import Any

from refinepoi.core.errors import UserError
from refinepoi.report import formats, tables
from refinepoi.report.comparison import compare
from refinepoi.report.find import run_folders
from refinepoi.report.page import write_page
from refinepoi.report.runs import Run, read_run
from refinepoi.report.spec import ReportSpec

log = logging.getLogger("refinepoi")
PAGE = "report.html"


def write_report(folder: Path, spec: ReportSpec) -> dict[str, Any]:
    """Fill `folder`. Returns the outcome: how many runs were compared. Raises `UserError` where there are none."""
    if not spec.runs:
        raise UserError("report.runs: no runs to compare; give report.runs=[FOLDER,...]")
    runs = [run for run in map(read_run, run_folders(spec.runs)) if run.config.get("goal") != "report"]
    found, warnings = compare(runs, spec)
    names = short_names(runs)
    numbers = {run: c.number for comparison in found for c in comparison.configurations for run in c.runs}
    sections: dict[str, list[formats.Section]] = {"runs": [("", tables.runs_table(runs, numbers, names))]}
    for comparison in found:
        protocol = comparison.protocol
        about = ", ".join(f"{k.replace('_', ' ')} {protocol[k]}" for k in ABOUT if k in protocol)
        for table in (
            tables.metrics_table(comparison),
            *(tables.significance_table(comparison, metric) for metric in comparison.metrics),
            tables.effect_table(comparison, spec.metric),
            *(tables.strata_table(comparison, metric) for metric in comparison.metrics),
        ):
            sections.setdefault(table.name, []).append((about, table))
    for form in spec.formats:
        if form == "html":
            write_page(folder / PAGE, found, warnings, runs, names, spec)
            continue
        suffix, writer = formats.WRITERS[form]
        for name, content in sections.items():
            (folder / f"{name}{suffix}").write_text(writer(content), encoding="utf-8")
    for warning in warnings:
        log.warning("%s", warning)
    log.info("%d of %d runs compared", len(numbers), len(runs))
    if "html" in spec.formats:
        log.info("%s", folder / PAGE)
    return {"compared": len(numbers), "runs": len(runs)}


ABOUT = ("dataset", "split", "samples", "validation", "test", "history", "target_time")


def short_names(runs: list[Run]) -> dict[Run, str]:
    """Folders without what they have in common: job numbers of one sweep, `stamp/job` of several."""
    if len(runs) == 1:
        return {runs[0]: runs[0].folder.name}
    common = Path(os.path.commonpath([run.folder.parent for run in runs]))
    return {run: str(run.folder.relative_to(common)) for run in runs}
