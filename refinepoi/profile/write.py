"""All profiles of a run: told by the template, or asked of a language model that reads what the template tells."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from refinepoi.artifacts.profiles import TABLE, Profiles
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.profile.habits import Map, sentences, within
from refinepoi.profile.moments import DAY, Moment, moments
from refinepoi.profile.spec import LlmProfiles, NoProfiles, TemplateProfiles
from refinepoi.prompt.sanitise import LONGEST_PROFILE, sanitise

AnyProfile = NoProfiles | TemplateProfiles | LlmProfiles
Ask = Callable[[Sequence[str]], Iterable[str]]
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TASK = (
    "Describe the person behind these check-ins in at most {words} words of plain text: routines, preferred "
    "categories, hours, home and work areas, level of activity, and what these suggest of interests and personality. "
    "Use only what is said here and do not repeat the figures one by one."
)


def write_texts(spec: AnyProfile, trajectories: Trajectories, ask: Ask) -> Profiles:
    """The artifact. ask: answers to questions, in their order; needed for `llm` only."""
    if isinstance(spec, NoProfiles):
        return Profiles.none()
    city = Map.of(trajectories)
    found = list(moments(trajectories, spec.refresh_days, spec.least_visits))
    told = [sentences(moment, city) for moment in found]
    if isinstance(spec, LlmProfiles):
        asked = [question(spec, moment, parts, city) for moment, parts in zip(found, told, strict=True)]
        told = [as_sentences(answer) for answer in ask(asked)]
    texts = [within(parts, spec.words) for parts in told]
    table = pl.DataFrame(
        {"user": [m.user for m in found], "since": [m.since for m in found], "text": texts}, schema=TABLE
    )
    facts: dict[str, Any] = {
        "kind": spec.kind,
        "causal": spec.refresh_days is not None,
        "refresh_days": spec.refresh_days,
        "users": table["user"].n_unique(),
        "users_without": trajectories.users.height - table["user"].n_unique(),
        "profiles": table.height,
        "words_mean": round(float(np.mean([len(text.split()) for text in texts])), 2) if texts else 0.0,
        "shortened": sum(len(" ".join(parts).split()) > spec.words for parts in told),
    }
    return Profiles(table, facts)


def question(spec: LlmProfiles, moment: Moment, parts: list[str], city: Map) -> str:
    """What a language model is asked about one user: the template's sentences and the latest check-ins."""
    lines = [
        f"{WEEKDAYS[(local // DAY + 3) % 7]} {local // 3600 % 24:02d}:{local // 60 % 60:02d} {city.category[poi]}"
        for local, poi in list(zip(moment.local.tolist(), moment.poi.tolist(), strict=True))[-spec.visits :]
    ]
    latest = ["", "Latest check-ins:", *lines] if spec.visits else []
    return "\n".join([TASK.format(words=spec.words), "", *parts, *latest])


def as_sentences(answer: str) -> list[str]:
    """A model's answer as harmless sentences on one line, its reasoning taken off."""
    text = sanitise(answer.rpartition("</think>")[2], LONGEST_PROFILE)
    parts = [part.strip() for part in text.replace("! ", "!\0").replace("? ", "?\0").replace(". ", ".\0").split("\0")]
    return [part for part in parts if part]
