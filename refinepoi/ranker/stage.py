"""rank_candidates: Evidence, Trajectories -> Evidence in a ranker's order, with its score among the counters."""

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.ranker.spec import LogitRanker, TreesRanker


@stage(version=1, makes=Evidence, name="rank_candidates")
def rank_candidates(
    context: Context,
    spec: TreesRanker | LogitRanker,
    evidence: Artifact[Evidence],
    trajectories: Artifact[Trajectories],
) -> None:
    """Beside the evidence, `trees/`: the models as LightGBM's text, one a fold and the one of all training queries."""
    from refinepoi.ranker.rank import quality, rank
    from refinepoi.ranker.trees import Trees

    visits = trajectories.load()
    ranked, models = rank(
        spec, evidence.load(), visits, context.runtime.threads, lambda folds: context.progress(folds, unit="fit")
    )
    context.log.metrics(quality(ranked, visits), 0)
    ranked.save(context.folder)
    texts = [model.text for model in models if isinstance(model, Trees)]
    for number, text in enumerate(texts):
        (context.folder / "trees").mkdir(exist_ok=True)
        name = f"fold_{number}" if number < spec.folds else "all"
        (context.folder / "trees" / f"{name}.txt").write_text(text, encoding="utf-8")
