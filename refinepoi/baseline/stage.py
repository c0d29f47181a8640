"""rank_by_counting: Evidence, Trajectories -> Predictions of every ranker of the table; beside them trees as text.
list_ranked: ranked Evidence, Trajectories -> Predictions, the order that prompts show."""

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.predictions import Predictions
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.baseline.spec import BaselineSpec
from refinepoi.core.stage import Artifact, Context, stage


@stage(version=3, makes=Predictions, name="rank_by_counting")
def rank_by_counting(
    context: Context, spec: BaselineSpec, evidence: Artifact[Evidence], trajectories: Artifact[Trajectories]
) -> None:
    from refinepoi.baseline.table import rank_all

    board = rank_all(spec, evidence.load(), trajectories.load(), context.runtime.threads, context.progress)
    board.predictions().save(context.folder)
    for method, text in board.texts.items():
        (context.folder / f"{method}.txt").write_text(text, encoding="utf-8")


@stage(version=1, makes=Predictions, name="list_ranked")
def list_ranked(context: Context, ranked: Artifact[Evidence], trajectories: Artifact[Trajectories]) -> None:
    from refinepoi.baseline.table import rank_as_ranked

    rank_as_ranked(ranked.load(), trajectories.load()).predictions().save(context.folder)
