"""Leak tests of user profiles: of training only, and of nothing at or after the query that is told one.

Judged is everything that is known of a user, in full: of `profile=llm` what the language model would be asked.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from refinepoi.artifacts.profiles import Profiles
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.audit.finding import Finding, find
from refinepoi.audit.leaks import alter_held_out
from refinepoi.profile.write import write_texts

if TYPE_CHECKING:
    from refinepoi.profile.write import AnyProfile

UNLIMITED = 1_000_000


def profile_findings(trajectories: Trajectories, spec: "AnyProfile") -> list[Finding]:
    """That held-out check-ins do not reach profiles, and whether training queries are told of their future as set."""
    if spec.kind == "off":
        return []
    one, other = (told(spec, data).table for data in (trajectories, alter_held_out(trajectories)))
    changed = one.join(other, on=one.columns, how="anti").height + other.join(one, on=one.columns, how="anti").height
    rows = int((trajectories.checkins["split"] > 0).sum())
    text = f"{rows} held-out check-ins altered, none of {one.height} profiles changed"
    findings = [find("profiles see training only", changed, text, "profiles changed")]
    if spec.refresh_days is None:
        why = "profile.refresh_days is null: training queries are told a profile that knows their future, as set"
        findings.append(Finding("profiles are older than their query", "not applicable", why))
    return findings


def told(spec: "AnyProfile", trajectories: Trajectories, users: "np.ndarray | None" = None) -> Profiles:
    """All that is known of users (of all, or of some), however long; nothing is asked of a language model."""
    if spec.kind == "off":
        return Profiles.none()
    if users is not None:
        own = trajectories.checkins["user"].is_in(pl.Series(users, dtype=pl.Int32).implode())
        trajectories = replace(
            trajectories, checkins=trajectories.checkins.filter(own), queries=trajectories.queries[:0]
        )
    return write_texts(spec.model_copy(update={"words": UNLIMITED}), trajectories, list)
