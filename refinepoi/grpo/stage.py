"""Stage `train_grpo`: a better policy from rewards."""

from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.grpo.spec import GrpoTrain
from refinepoi.model.spec import PretrainedModel, ScratchModel
from refinepoi.reward.spec import RewardSpec


@stage(version=3, makes=Policy, name="train_grpo", parallel=True)
def train_grpo(
    context: Context,
    spec: GrpoTrain,
    reward: RewardSpec,
    model: ScratchModel | PretrainedModel,
    warm_start: Artifact[Policy],
    prompts: Artifact[Prompts],
    semantic_ids: Artifact[SemanticIds],
    trajectories: Artifact[Trajectories],
) -> None:
    """Train `warm_start` with GRPO on the prompts of the train split. trajectories: for what rewards know of places."""
    from refinepoi.grpo.train import train
    from refinepoi.reward.places import Places

    places = Places.of(trajectories.load())
    policy = train(context, spec, reward, model, warm_start.load(), prompts.load(), semantic_ids.load(), places)
    if context.main:
        policy.save(context.folder)
