"""Stage `train_sft`: a language model that writes lists of places."""

from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.model.spec import ModelSpec
from refinepoi.sft.spec import SftSpec


@stage(version=1, makes=Policy, name="train_sft")
def train_sft(
    context: Context,
    spec: SftSpec,
    model: ModelSpec,
    prompts: Artifact[Prompts],
    semantic_ids: Artifact[SemanticIds],
) -> None:
    """Build the model of `model` and train it on the prompts of the train split; `off` saves it untrained."""
    from refinepoi.sft.train import train

    train(context, spec, model, prompts.load(), semantic_ids.load()).save(context.folder)
