"""Stage `train_sft`: a language model that answers with ranked lists."""

from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.model.spec import PretrainedModel, ScratchModel
from refinepoi.sft.spec import SftOff, TrainSft


@stage(version=1, makes=Policy, name="train_sft", parallel=True)
def train_sft(
    context: Context,
    spec: TrainSft | SftOff,
    model: ScratchModel | PretrainedModel,
    prompts: Artifact[Prompts],
    semantic_ids: Artifact[SemanticIds],
) -> None:
    """Train a model on the prompts of the train split. `off` keeps it as built."""
    import refinepoi.training.libraries  # noqa: F401 - before any trainer
    from refinepoi.sft.train import train, untrained

    if isinstance(spec, TrainSft):
        policy = train(context, spec, model, prompts.load(), semantic_ids.load())
    else:
        policy = untrained(context, model, prompts.load(), semantic_ids.load())
    if context.main:
        policy.save(context.folder)
