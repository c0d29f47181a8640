"""recommend_places: a policy's next places for the people of a table of visits, as JSON, CSV, text and a map page."""

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.recommendations import Recommendations
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.evaluation.spec import DecodingSpec
from refinepoi.evidence.spec import EvidenceSpec
from refinepoi.prompt.spec import CompactPrompt, EvidencePrompt, QuestionPrompt
from refinepoi.recommend.spec import RecommendSpec


@stage(version=2, makes=Recommendations, name="recommend_places")
def recommend_places(
    context: Context,
    spec: RecommendSpec,
    evidence: EvidenceSpec,
    prompt: CompactPrompt | EvidencePrompt | QuestionPrompt,
    decoding: DecodingSpec,
    trajectories: Artifact[Trajectories],
    prompts: Artifact[Prompts],
    semantic_ids: Artifact[SemanticIds],
    policy: Artifact[Policy],
    *ranked: Artifact[Evidence],
) -> None:
    """ranked: the evidence that the prompts show, where a ranker put it in order; none otherwise."""
    from refinepoi.ranker.serve import FittedRanker
    from refinepoi.recommend.answers import answer_all, read_names, write_csv, write_text
    from refinepoi.recommend.page import write_page
    from refinepoi.recommend.recommender import Parts, Recommender, device_of
    from refinepoi.recommend.run import load_all
    from refinepoi.recommend.trips import read_questions

    loaded = load_all(trajectories, prompts, semantic_ids, policy)
    ranker = FittedRanker.load(ranked[0].path) if ranked else None
    parts = Parts(evidence, prompt, decoding, *loaded, ranker)
    recommender = Recommender(parts, read_names(spec.names), device_of(context.runtime.device))
    questions = read_questions(spec, recommender.catalogue)
    content = answer_all(spec, recommender, context.progress(questions, unit="question"))
    Recommendations(content).save(context.folder)
    write_csv(context.folder / "recommendations.csv", content)
    write_text(context.folder / "recommendations.txt", content)
    write_page(context.folder / "recommendations.html", content, recommender.catalogue)
