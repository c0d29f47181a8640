"""Stage `write_profiles`: a text on each user, from training check-ins."""

from refinepoi.artifacts.profiles import Profiles
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.profile.spec import LlmProfiles, NoProfiles, TemplateProfiles


@stage(version=2, makes=Profiles, name="write_profiles")
def write_profiles(
    context: Context, spec: NoProfiles | TemplateProfiles | LlmProfiles, trajectories: Artifact[Trajectories]
) -> None:
    """Write profiles; none with `profile=off`."""
    from refinepoi.profile.answers import answers
    from refinepoi.profile.write import write_texts

    profiles = write_texts(spec, trajectories.load(), lambda questions: answers(context, spec, questions))
    if spec.kind != "off":
        names = ("users", "users_without", "profiles", "words_mean", "shortened")
        context.log.metrics({name: profiles.facts[name] for name in names}, 0)
    profiles.save(context.folder)
