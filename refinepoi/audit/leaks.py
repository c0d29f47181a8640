"""Leak tests: nothing of validation and test may reach training inputs, nothing at or after a target its prompt.

Alter what must not matter, make the thing again, compare. Features, training pairs, evidence and prompts are pure
functions of settings and check-ins, so equal bytes prove that the altered rows were not used.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.core.seeding import generator
from refinepoi.encoder.stage import training_pairs
from refinepoi.evidence.count import count
from refinepoi.features.stage import build
from refinepoi.prompt.write import write_all

if TYPE_CHECKING:
    from refinepoi.encoder.spec import EncoderSpec
    from refinepoi.evidence.spec import EvidenceSpec
    from refinepoi.features.spec import FeaturesSpec
    from refinepoi.prompt.write import AnyPrompt

ASKED = 200
"""Test queries whose prompts are written again."""
TRAINED = 400
"""Training queries beside them, on which a prompt's bins are fitted."""
CROSS_CITY = "cross-city"
BY_TIME = ("published", "global time")
"""Splits in which all training check-ins come first; the others leave out each user's last visits."""


@dataclass(frozen=True)
class Finding:
    """A test and its outcome."""

    name: str
    status: Literal["passed", "failed", "not applicable"]
    found: str


def find(name: str, broken: int, passed: str, failed: str) -> Finding:
    return Finding(name, "failed" if broken else "passed", f"{broken} {failed}" if broken else passed)


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
    trained = np.unique(checkins["poi"].to_numpy()[split == 0])
    strange = int(trajectories.pois["in_train"].sum() - len(trained))
    findings.append(
        find("the catalogue is what training visited", abs(strange), f"{len(trained)} places", "places too many or few")
    )
    name = "every user has training check-ins"
    if trajectories.facts["protocol"]["split"] == CROSS_CITY:
        return [*findings, Finding(name, "not applicable", "the test city's people are nobody's in training")]
    users = np.setdiff1d(checkins["user"].to_numpy()[split > 0], checkins["user"].to_numpy()[split == 0])
    found = find(name, len(users), f"{trajectories.users.height} users", "have none")
    return [*findings, found]


def alter_held_out(trajectories: Trajectories) -> Trajectories:
    """Every check-in of validation and test at another place and five hours later by the local clock."""
    checkins = trajectories.checkins
    held = pl.col("split") > 0
    other = (pl.col("poi") + 1) % max(2, trajectories.pois.height)
    altered = checkins.with_columns(
        poi=pl.when(held).then(other).otherwise(pl.col("poi")),
        local=pl.when(held).then(pl.col("local") + 5 * 3600).otherwise(pl.col("local")),
    ).cast(dict(checkins.schema))  # type: ignore[arg-type]
    return with_checkins(trajectories, altered)


def with_checkins(trajectories: Trajectories, checkins: pl.DataFrame) -> Trajectories:
    """The same queries over other check-ins: targets are read anew."""
    target = checkins["poi"].gather(trajectories.queries["row"]).alias("target")
    return replace(trajectories, checkins=checkins, queries=trajectories.queries.with_columns(target))


def training_findings(trajectories: Trajectories, features: "FeaturesSpec", encoder: "EncoderSpec") -> list[Finding]:
    """Features and the encoder's training pairs stay, byte for byte, when validation and test rows are altered."""
    altered = alter_held_out(trajectories)
    rows = int((trajectories.checkins["split"] > 0).sum())
    (one, one_map), (other, other_map) = build(features, trajectories), build(features, altered)
    moved = int((one.matrix != other.matrix).any(1).sum()) + (one_map.__dict__ != other_map.__dict__)
    text = f"{rows} held-out check-ins altered, nothing moved"
    found = [find("features see training only", moved, text, "places have other features")]
    if encoder.kind == "contrastive":  # a fitted one is not trained here
        hours = encoder.positives.hours
        pairs, again = training_pairs(trajectories, hours), training_pairs(altered, hours)
        same = all(np.array_equal(getattr(pairs, c), getattr(again, c)) for c in ("first", "second", "count"))
        found.append(find("the encoder sees training only", int(not same), text, "set of training pairs changed"))
    return found


def prompt_findings(
    trajectories: Trajectories, evidence: "EvidenceSpec", prompt: "AnyPrompt", semantic_ids: SemanticIds
) -> list[Finding]:
    """Evidence and prompt of a query stay when its target and all the user does afterwards are altered."""
    sample, rows = ask_few(trajectories)
    altered = alter_from_targets(sample, rows)
    asked = np.flatnonzero(sample.queries["split"].to_numpy() > 0)
    one, other = count(sample, evidence), count(altered, evidence)
    moved = np.zeros(sample.queries.height, bool)
    for before, after in ((one.candidates, other.candidates), (one.counters, other.counters)):
        moved |= (before != after).reshape(len(moved), -1).any(1)
    moved |= (~np.isclose(one.context, other.context, rtol=0, atol=0, equal_nan=True)).any(1)
    texts = [
        write_all(prompt, data, counted, semantic_ids, lambda items, unit: items).table["prompt"].to_numpy()
        for data, counted in ((sample, one), (altered, other))
    ]
    told = int((texts[0] != texts[1])[asked].sum())
    text = f"{len(asked)} targets and what follows them altered, nothing moved"
    return [
        find("evidence is causal", int(moved[asked].sum()), text, "queries have other evidence"),
        find("the target is not in its own prompt", told, text, "prompts tell of their target or later"),
    ]


def ask_few(trajectories: Trajectories) -> tuple[Trajectories, "np.ndarray[Any, Any]"]:
    """One held-out query of each of some users, and some training queries before; the rows of the former's targets."""
    rng = generator(0, "audit", "queries")
    queries = trajectories.queries.with_row_index("query").filter(pl.col("split") > 0)
    order = rng.permutation(queries.height)
    chosen = queries[order].unique("user", keep="first", maintain_order=True).head(ASKED)
    train = trajectories.query_rows("train")
    early = rng.permutation(train)[:TRAINED]
    kept = np.sort(np.concatenate([early, chosen["query"].to_numpy()]))
    return replace(trajectories, queries=trajectories.queries[kept]), chosen["row"].to_numpy()


def alter_from_targets(trajectories: Trajectories, rows: "np.ndarray[Any, Any]") -> Trajectories:
    """Of the users of these targets, every check-in at or after it is at another place."""
    checkins = trajectories.checkins
    begin = np.full(trajectories.users.height, np.iinfo(np.int64).max)
    begin[checkins["user"].to_numpy()[rows]] = checkins["utc"].to_numpy()[rows]
    after = checkins["utc"].to_numpy() >= begin[checkins["user"].to_numpy()]
    poi = checkins["poi"].to_numpy().copy()
    poi[after] = (poi[after] + 1 + np.arange(after.sum()) % 7) % trajectories.pois.height
    return with_checkins(trajectories, checkins.with_columns(pl.Series("poi", poi, pl.Int32)))
