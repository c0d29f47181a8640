"""Stage `write_prompts`: the prompt and the answer of every query."""

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.profiles import Profiles
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.prompt.spec import CompactPrompt, EvidencePrompt, QuestionPrompt


@stage(version=7, makes=Prompts, name="write_prompts")
def write_prompts(
    context: Context,
    spec: CompactPrompt | EvidencePrompt | QuestionPrompt,
    trajectories: Artifact[Trajectories],
    evidence: Artifact[Evidence],
    semantic_ids: Artifact[SemanticIds],
    profiles: Artifact[Profiles],
) -> None:
    """Write prompts, answers, training streams, and what was shown and dropped."""
    from refinepoi.prompt.examples import FILE, examples
    from refinepoi.prompt.write import write_all

    inputs = trajectories.load(), evidence.load(), semantic_ids.load()
    prompts = write_all(spec, *inputs, context.progress, profiles.load())
    shown = prompts.facts["shown"]
    context.log.metrics({f"{split}/{name}": value for split, row in shown.items() for name, value in row.items()}, 0)
    (context.folder / FILE).write_text(examples(prompts), encoding="utf-8")
    prompts.save(context.folder)
