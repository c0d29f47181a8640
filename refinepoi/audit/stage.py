"""Stage `audit_data`: counts, leak tests and oddities of a run's data.

The tests run the code they judge, so that code is part of the artifact's key: an audit is answered from the store only
where neither data nor settings nor code changed. A failed audit is an artifact, too, whose page can be read; `tell`
prints it and stops the run.
"""

import logging
from typing import TYPE_CHECKING, Any

from refinepoi.artifacts.audit import Audit
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import DataError
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.core.tracking import StageLog, Tracker
from refinepoi.encoder.spec import EncoderSpec
from refinepoi.evidence.spec import EvidenceSpec
from refinepoi.features.spec import FeaturesSpec
from refinepoi.profile.spec import LlmProfiles, NoProfiles, TemplateProfiles
from refinepoi.prompt.spec import CompactPrompt, EvidencePrompt, QuestionPrompt
from refinepoi.ranker.spec import LogitRanker, NoRanker, TreesRanker

if TYPE_CHECKING:
    from refinepoi.audit.finding import Finding

log = logging.getLogger("refinepoi")


class LeakError(DataError):
    """A leak test failed: what is trained or asked depends on what it must not know."""


TABLES = (
    ("tests", ["name", "status", "found"]),
    ("ranges", ["split", "first", "last", "days"]),
    ("targets", ["split", "samples", "all", "train_prefix", "same_as_last"]),
    ("unseen", ["split", "checkins", "users", "pois"]),
    ("remarks", ["name", "count", "meaning"]),
)


def tell(audit: Artifact[Audit], tracker: Tracker) -> None:
    """The audit on the console and in the tracker's tables. LeakError where a leak test failed."""
    content, stage_log = audit.load().content, StageLog(audit.stage, tracker)
    for name, columns in TABLES:
        rows = [[record[column] for column in columns] for record in content[name]]
        stage_log.table(name, columns, rows)
        widths = [max(len(str(row[n])) for row in [columns, *rows]) for n in range(len(columns))]
        lines = ["  ".join(f"{value!s:<{w}}" for value, w in zip(row, widths, strict=True)) for row in [columns, *rows]]
        log.info("%s", "\n".join(line.rstrip() for line in ["", *lines]))
    if failed := [f"  {test['name']}: {test['found']}" for test in content["tests"] if test["status"] == "failed"]:
        page = audit.path / "pictures" / "audit.html"
        raise LeakError("\n".join([f"{len(failed)} leak tests failed; see {page}", *failed]))


JUDGED = ("audit", "artifacts", "dataset", "features", "encoder", "evidence", "ranker", "profile", "prompt")


@stage(version=3, makes=Audit, name="audit_data", judges=JUDGED, tell=tell)
def audit_data(
    context: Context,
    features: FeaturesSpec,
    encoder: EncoderSpec,
    evidence: EvidenceSpec,
    ranker: NoRanker | TreesRanker | LogitRanker,
    profile: NoProfiles | TemplateProfiles | LlmProfiles,
    prompt: CompactPrompt | EvidencePrompt | QuestionPrompt,
    trajectories: Artifact[Trajectories],
    semantic_ids: Artifact[SemanticIds],
) -> None:
    """Writes audit.json and pictures/audit.html."""
    from refinepoi.audit.leaks import split_findings, training_findings
    from refinepoi.audit.page import page
    from refinepoi.audit.pictures import draw
    from refinepoi.audit.profiles import profile_findings
    from refinepoi.audit.prompts import prompt_findings

    visits = trajectories.load()
    findings = split_findings(visits) + training_findings(visits, features, encoder)
    findings += profile_findings(visits, profile)
    findings += prompt_findings(visits, evidence, ranker, prompt, semantic_ids.load(), profile)
    content = content_of(visits, findings)
    Audit(content).save(context.folder)
    (context.folder / "pictures").mkdir(exist_ok=True)
    html = page(content, draw(visits))
    (context.folder / "pictures" / "audit.html").write_text(html, encoding="utf-8")
    context.log.metrics({"failed_leak_tests": sum(f.status == "failed" for f in findings)}, 0)


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
        "unseen": facts["counts"]["unseen"],
        "ranges": time_ranges(trajectories),
        "targets": targets_in_history(trajectories),
        "tests": [vars(finding) for finding in findings],
        "remarks": oddities(trajectories),
        "cleaning": [[kind, reason, n] for kind in kinds for reason, n in report[kind].items()],
    }
