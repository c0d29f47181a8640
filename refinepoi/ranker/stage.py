"""rank_candidates: Evidence, Trajectories -> Evidence in a ranker's order, with its score among the counters."""

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.ranker.spec import LogitRanker, TreesRanker


@stage(version=3, makes=Evidence, name="rank_candidates")
def rank_candidates(
    context: Context,
    spec: TreesRanker | LogitRanker,
    evidence: Artifact[Evidence],
    trajectories: Artifact[Trajectories],
) -> None:
    """Beside the evidence, the model that ranked test queries (`serve.py`)."""
    from refinepoi.ranker.rank import quality, rank

    visits = trajectories.load()
    ranked, fitted = rank(
        spec, evidence.load(), visits, context.runtime.threads, lambda steps: context.progress(steps, unit="step")
    )
    context.log.metrics(quality(ranked, visits), 0)
    ranked.save(context.folder)
    fitted.save(context.folder)
