"""Stage `export_policy`: the policy as a folder for others."""

import logging

from refinepoi.artifacts.export import Export
from refinepoi.artifacts.metrics import Metrics
from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.core.tracking import Tracker
from refinepoi.export.spec import ExportSpec

log = logging.getLogger(__name__)


def tell(export: Artifact[Export], tracker: Tracker) -> None:
    """Where the folder lies: it is what was asked for."""
    log.info("exported to %s", export.load().folder)


@stage(version=2, makes=Export, name="export_policy", tell=tell)
def export_policy(
    context: Context,
    spec: ExportSpec,
    policy: Artifact[Policy],
    prompts: Artifact[Prompts],
    semantic_ids: Artifact[SemanticIds],
    trajectories: Artifact[Trajectories],
    *metrics: Artifact[Metrics],
) -> None:
    """metrics: none, or the table to show in the model card."""
    from refinepoi.export.write import write_folder

    content = metrics[0].load().content if metrics else None
    inputs = policy.load(), prompts.load(), semantic_ids.load(), trajectories.load()
    write_folder(context.folder / "model", spec, *inputs, content)
    Export(context.folder / "model").save(context.folder)
