"""train_sequence: Evidence, Trajectories -> Predictions of a sequence model."""

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.predictions import Predictions
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.sequence.spec import GruSpec, SasRecSpec


@stage(version=1, makes=Predictions, name="train_sequence")
def train_sequence(
    context: Context,
    spec: SasRecSpec | GruSpec,
    evidence: Artifact[Evidence],
    trajectories: Artifact[Trajectories],
) -> None:
    """The evidence says which history and whether the target's time may be read; its counters are not used."""
    from refinepoi.sequence.train import train

    train(context, spec, evidence.load(), trajectories.load()).save(context.folder)
