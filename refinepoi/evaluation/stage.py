"""`predict`: a policy's lists for every validation and test query. `score`: the table of all methods of a run;
`score_baselines`: the same without a policy."""

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.metrics import Metrics
from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.predictions import Predictions
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.evaluation.spec import DecodingSpec, ScoringSpec


@stage(version=2, makes=Predictions, name="predict")
def predict(
    context: Context,
    spec: DecodingSpec,
    policy: Artifact[Policy],
    prompts: Artifact[Prompts],
    semantic_ids: Artifact[SemanticIds],
) -> None:
    from refinepoi.evaluation.predict import decode_prompts

    decode_prompts(context, spec, policy.load(), prompts.load(), semantic_ids.load()).save(context.folder)


@stage(version=2, makes=Metrics, name="score")
def score(
    context: Context,
    spec: ScoringSpec,
    trajectories: Artifact[Trajectories],
    evidence: Artifact[Evidence],
    policy: Artifact[Predictions],
    warm_start: Artifact[Predictions],
    *others: Artifact[Predictions],
) -> None:
    from refinepoi.evaluation.score import gather, score_all

    methods = gather(policy.load(), warm_start.load(), *(other.load() for other in others))
    Metrics(score_all(methods, trajectories.load(), evidence.load(), spec)).save(context.folder)


@stage(version=2, makes=Metrics, name="score_baselines")
def score_baselines(
    context: Context,
    spec: ScoringSpec,
    trajectories: Artifact[Trajectories],
    evidence: Artifact[Evidence],
    *rankers: Artifact[Predictions],
) -> None:
    from refinepoi.evaluation.score import rankers_of, score_all

    methods = {name: method for ranker in rankers for name, method in rankers_of(ranker.load()).items()}
    Metrics(score_all(methods, trajectories.load(), evidence.load(), spec)).save(context.folder)
