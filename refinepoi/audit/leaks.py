"""Leak tests of splits and training inputs: nothing of validation, test or a test city's places may reach training.

Alter what must not matter, make the thing again, compare. Features and what the encoder draws its batches from are pure
functions of settings and check-ins, so equal bytes prove that the altered rows were not used.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from refinepoi.artifacts.features import Features
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.audit.finding import Finding, find
from refinepoi.encoder.stage import untrained
from refinepoi.features.stage import build

if TYPE_CHECKING:
    from refinepoi.encoder.spec import ContrastiveSpec, EncoderSpec
    from refinepoi.features.spec import FeaturesSpec

CROSS_CITY = "cross-city"
BY_TIME = ("published", "global time")
"""Splits in which all training check-ins come first; the others leave out each user's last visits."""


def split_findings(trajectories: Trajectories) -> list[Finding]:
    """Order in time and overlap of the splits, and whether the catalogue is training's."""
    checkins, queries = trajectories.checkins, trajectories.queries
    split, utc = checkins["split"].to_numpy(), checkins["utc"].to_numpy()
    by_user = trajectories.facts["protocol"]["split"] not in BY_TIME
    groups = checkins["user"].to_numpy() if by_user else np.zeros(len(split), np.int64)
    last = np.full((groups.max() + 1, 3), np.iinfo(np.int64).min)
    first = np.full((groups.max() + 1, 3), np.iinfo(np.int64).max)
    np.maximum.at(last, (groups, split), utc)
    np.minimum.at(first, (groups, split), utc)
    late = sum(int((last[:, s] > first[:, t]).sum()) for s, t in ((0, 1), (1, 2), (0, 2)))
    scope = "of each user" if by_user else "of all users"
    findings = [find("splits follow one another", late, f"train, validation and test {scope} in this order", "overlap")]
    tests = utc[queries.filter(pl.col("split") == SPLITS.index("test"))["row"].to_numpy()]
    later = int((utc[split == 0] >= tests.min()).sum()) if len(tests) else 0
    name = "no training check-in after the first test target"
    if by_user:
        text = f"split by user: {later} training check-ins of others are later than the first test target"
        findings.append(Finding(name, "not applicable", text))
    else:
        findings.append(find(name, later, "all are earlier", "training check-ins are not earlier"))
    row = queries["row"].to_numpy()
    wrong = int((split[row] != queries["split"].to_numpy()).sum()) + len(row) - len(np.unique(row))
    findings.append(find("each target belongs to one split", wrong, f"{len(row)} targets", "targets do not"))
    twice = checkins.group_by("user", "poi", "utc").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).height
    findings.append(find("no check-in stands in two splits", twice, "none is equal", "equal user, place and second"))
    trained = np.unique(checkins["poi"].to_numpy()[split == 0])
    strange = len(np.setxor1d(np.flatnonzero(trajectories.pois["in_train"].to_numpy()), trained))
    findings.append(
        find("the catalogue is what training visited", strange, f"{len(trained)} places", "places too many or few")
    )
    name = "every user has training check-ins"
    if trajectories.facts["protocol"]["split"] == CROSS_CITY:
        return [*findings, Finding(name, "not applicable", "the test city's people are nobody's in training")]
    users = np.setdiff1d(checkins["user"].to_numpy()[split > 0], checkins["user"].to_numpy()[split == 0])
    found = find(name, len(users), f"{trajectories.users.height} users", "have none")
    return [*findings, found]


def alter_held_out(trajectories: Trajectories) -> Trajectories:
    """
    Every check-in of validation and test at another place and five hours later by the local clock; every place outside
    training (a test city's) elsewhere and of another category.
    """
    checkins = trajectories.checkins
    held = pl.col("split") > 0
    other = (pl.col("poi") + 1) % max(2, trajectories.pois.height)
    altered = checkins.with_columns(
        poi=pl.when(held).then(other).otherwise(pl.col("poi")),
        local=pl.when(held).then(pl.col("local") + 5 * 3600).otherwise(pl.col("local")),
    ).cast(dict(checkins.schema))  # type: ignore[arg-type]
    strange = ~pl.col("in_train")
    pois = trajectories.pois.with_columns(
        pl.when(strange).then(pl.lit("altered")).otherwise(pl.col("category")).alias("category"),
        *(pl.when(strange).then(-pl.col(c) / 2).otherwise(pl.col(c)).alias(c) for c in ("latitude", "longitude")),
    )
    return replace(with_checkins(trajectories, altered), pois=pois)


def with_checkins(trajectories: Trajectories, checkins: pl.DataFrame) -> Trajectories:
    """The same queries over other check-ins: targets are read anew."""
    target = checkins["poi"].gather(trajectories.queries["row"]).alias("target")
    return replace(trajectories, checkins=checkins, queries=trajectories.queries.with_columns(target))


def training_findings(trajectories: Trajectories, features: "FeaturesSpec", encoder: "EncoderSpec") -> list[Finding]:
    """Features and what the encoder is trained on stay, byte for byte, when validation and test rows are altered."""
    altered = alter_held_out(trajectories)
    rows = int((trajectories.checkins["split"] > 0).sum())
    trained = trajectories.pois["in_train"].to_numpy()
    (one, one_map), (other, other_map) = build(features, trajectories), build(features, altered)
    comparable = one.blocks == other.blocks
    moved = trained & ((one.matrix != other.matrix).any(1) if comparable else True)
    what = [f"{moved.sum()} places have other features"] * bool(moved.any())
    what += ["other columns or scales were fitted"] * (one_map != other_map)
    strange = f" and {(~trained).sum()} places of the test city" if not trained.all() else ""
    text = f"{rows} held-out check-ins{strange} altered, nothing moved"
    found = [Finding("features see training only", "failed" if what else "passed", "; ".join(what) or text)]
    if encoder.kind == "contrastive":  # a fitted one is not trained here; what features leak is not its fault
        seen = replace(one, matrix=np.where(trained[:, None], one.matrix, other.matrix)) if comparable else one
        changed = sum(
            not np.array_equal(before, after)
            for before, after in zip(batches(encoder, one, trajectories), batches(encoder, seen, altered), strict=True)
        )
        found.append(find("the encoder sees training only", changed, text, "of its training inputs changed"))
    return found


def batches(spec: "ContrastiveSpec", features: Features, trajectories: Trajectories) -> list["np.ndarray"]:
    """What the encoder trains on: pairs (known, held out), the places drawn in an epoch, their features and groups."""
    module = untrained(spec, features, trajectories)
    pairs = [getattr(part, c) for part in (module.train_pairs, module.held_pairs) for c in ("first", "second", "count")]
    drawn = [[part.numpy() for part in module.batch(step)] for step in range(module.steps)]
    singles = np.concatenate([single for _, single in drawn])
    places = np.unique(np.concatenate([*pairs[:2], *pairs[3:5], singles]))
    _, group = np.unique(module.groups.numpy()[places], return_inverse=True)
    return [*pairs, *(pair for pair, _ in drawn), singles, module.features.numpy()[places], group]
