"""mix_rankers: Policy, Prompts, SemanticIds, Evidence, Trajectories -> Predictions of the mixture."""

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.predictions import Predictions
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.ensemble.spec import LogLinear


@stage(version=2, makes=Predictions, name="mix_rankers")
def mix_rankers(
    context: Context,
    spec: LogLinear,
    policy: Artifact[Policy],
    prompts: Artifact[Prompts],
    semantic_ids: Artifact[SemanticIds],
    evidence: Artifact[Evidence],
    trajectories: Artifact[Trajectories],
) -> None:
    from refinepoi.ensemble.likelihood import policy_likelihoods
    from refinepoi.ensemble.mix import check_names, mix

    shown = evidence.load()
    check_names(spec, shown)
    likelihoods = policy_likelihoods(context, spec, policy.load(), prompts.load(), semantic_ids.load(), shown)
    mix(spec, shown, trajectories.load(), likelihoods).save(context.folder)
