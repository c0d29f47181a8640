"""count_evidence: Trajectories -> Evidence."""

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.evidence.spec import EvidenceSpec


@stage(version=3, makes=Evidence, name="count_evidence")
def count_evidence(context: Context, spec: EvidenceSpec, trajectories: Artifact[Trajectories]) -> None:
    from refinepoi.evidence.count import count
    from refinepoi.evidence.coverage import coverage

    visits = trajectories.load()
    evidence = count(visits, spec, lambda chunks: context.progress(chunks, unit="chunk"))
    context.log.metrics(coverage(evidence, visits), 0)
    evidence.save(context.folder)
