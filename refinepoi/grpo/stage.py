"""Stages `train_grpo`: a better policy from rewards; `report_rewards`: what these pay for, before any training."""

import logging

from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.reward_report import RewardReport
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.core.tracking import StageLog, Tracker
from refinepoi.grpo.spec import GrpoTrain
from refinepoi.model.spec import PretrainedModel, ScratchModel
from refinepoi.reward.spec import RewardSpec

log = logging.getLogger("refinepoi")


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
    import refinepoi.training.libraries  # noqa: F401 - before any trainer
    from refinepoi.grpo.train import train
    from refinepoi.reward.places import Places

    places = Places.of(trajectories.load())
    policy = train(context, spec, reward, model, warm_start.load(), prompts.load(), semantic_ids.load(), places)
    if context.main:
        policy.save(context.folder)


def tell(report: Artifact[RewardReport], tracker: Tracker) -> None:
    """The report's tables on the console and in the tracker."""
    from refinepoi.grpo.reward_page import answer_columns

    content, stage_log = report.load().content, StageLog(report.stage, tracker)
    columns = ("term", "weight", "mean", "within", "zero_variance", "signal")
    tables = {name: [[row[c] for c in columns] for row in s["terms"]] for name, s in content["samplers"].items()}
    tables = {name: [[*columns], *rows] for name, rows in tables.items()}
    names = answer_columns(content)
    tables["answers"] = [names, *([row[name] for name in names] for row in content["answers"])]
    for name, (head, *rows) in tables.items():
        stage_log.table(name, head, rows)
        widths = [max(len(str(row[n])) for row in (head, *rows)) for n in range(len(head))]
        lines = ["  ".join(f"{v!s:<{w}}" for v, w in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)]
        log.info("%s", "\n".join(["", name, *lines]))
    for hint in content["hints"]:
        log.info("look: %s", hint)


@stage(version=2, makes=RewardReport, name="report_rewards", tell=tell)
def report_rewards(
    context: Context,
    spec: GrpoTrain,
    reward: RewardSpec,
    warm_start: Artifact[Policy],
    prompts: Artifact[Prompts],
    semantic_ids: Artifact[SemanticIds],
    trajectories: Artifact[Trajectories],
) -> None:
    """Writes rewards.json and pictures/rewards.html."""
    import refinepoi.training.libraries  # noqa: F401 - before any trainer
    from refinepoi.grpo.reward_report import look
    from refinepoi.reward.places import Places

    places = Places.of(trajectories.load())
    look(context, spec, reward, warm_start.load(), prompts.load(), semantic_ids.load(), places).save(context.folder)
