"""Stage `audit_data`: counts, leak tests and oddities of a run's data; a failed leak test stops the run."""

import logging
from typing import TYPE_CHECKING, Any

from refinepoi.artifacts.audit import Audit
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import DataError
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.encoder.spec import EncoderSpec
from refinepoi.evidence.spec import EvidenceSpec
from refinepoi.features.spec import FeaturesSpec
from refinepoi.prompt.spec import CompactPrompt, EvidencePrompt, QuestionPrompt

if TYPE_CHECKING:
    from refinepoi.audit.leaks import Finding

log = logging.getLogger("refinepoi")


class LeakError(DataError):
    """A leak test failed: what is trained or asked depends on what it must not know."""


@stage(version=1, makes=Audit, name="audit_data")
def audit_data(
    context: Context,
    features: FeaturesSpec,
    encoder: EncoderSpec,
    evidence: EvidenceSpec,
    prompt: CompactPrompt | EvidencePrompt | QuestionPrompt,
    trajectories: Artifact[Trajectories],
    semantic_ids: Artifact[SemanticIds],
) -> None:
    """Writes audit.json and pictures/audit.html. Raises LeakError where a leak test fails, after writing both."""
    from refinepoi.audit.leaks import prompt_findings, split_findings, training_findings
    from refinepoi.audit.page import page
    from refinepoi.audit.pictures import draw

    visits = trajectories.load()
    findings = split_findings(visits) + training_findings(visits, features, encoder)
    findings += prompt_findings(visits, evidence, prompt, semantic_ids.load())
    content = content_of(visits, findings)
    Audit(content).save(context.folder)
    (context.folder / "pictures").mkdir(exist_ok=True)
    html = page(content, draw(visits))
    (context.folder / "pictures" / "audit.html").write_text(html, encoding="utf-8")
    tell(context, content)
    if failed := [f for f in findings if f.status == "failed"]:
        lines = [f"  {f.name}: {f.found}" for f in failed]
        raise LeakError(
            "\n".join([f"{len(failed)} leak tests failed; see {context.folder}/pictures/audit.html", *lines])
        )


def content_of(trajectories: Trajectories, findings: "list[Finding]") -> dict[str, Any]:
    """`Audit.content`."""
    from refinepoi.audit.figures import oddities, targets_in_history, time_ranges

    facts = trajectories.facts
    report = facts["report"]
    kinds = ("bad", "left_out", "duplicates", "remarks")
    return {
        "protocol": facts["protocol"],
        "steps": facts["counts"]["steps"],
        "splits": facts["counts"]["splits"],
        "unseen": facts["counts"].get("unseen", []),
        "ranges": time_ranges(trajectories),
        "targets": targets_in_history(trajectories),
        "tests": [vars(finding) for finding in findings],
        "remarks": oddities(trajectories),
        "cleaning": [[kind, reason, n] for kind in kinds for reason, n in report[kind].items()],
    }


def tell(context: Context, content: dict[str, Any]) -> None:
    """The audit on the console and in the tracker's tables."""
    for name, columns in (
        ("tests", ["name", "status", "found"]),
        ("ranges", ["split", "first", "last", "days"]),
        ("targets", ["split", "samples", "all", "train_prefix", "same_as_last"]),
        ("unseen", ["split", "checkins", "users", "pois"]),
        ("remarks", ["name", "count", "meaning"]),
    ):
        rows = [[record[column] for column in columns] for record in content[name]]
        context.log.table(name, columns, rows)
        widths = [max(len(str(row[n])) for row in [columns, *rows]) for n in range(len(columns))]
        lines = ["  ".join(f"{value!s:<{w}}" for value, w in zip(row, widths, strict=True)) for row in [columns, *rows]]
        log.info("%s", "\n".join(line.rstrip() for line in ["", *lines]))
    failed = sum(test["status"] == "failed" for test in content["tests"])
    context.log.metrics({"failed_leak_tests": failed}, 0)
