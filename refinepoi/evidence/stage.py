"""count_evidence: Trajectories -> Evidence."""

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.evidence.spec import EvidenceSpec


@stage(version=1, makes=Evidence, name="count_evidence")
def count_evidence(context: Context, spec: EvidenceSpec, trajectories: Artifact[Trajectories]) -> None:
    from refinepoi.evidence.count import count

    evidence = count(trajectories.load(), spec, lambda chunks: context.progress(chunks, unit="chunk"))
    evidence.save(context.folder)
