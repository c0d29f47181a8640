"""Leak tests of evidence and prompts: nothing at or after a query's target, nor its hidden time, may reach either.

Held-out queries of a split are asked together, since nobody sees another's held-out visits; test beside validation,
whose answers may teach a ranker of test. A training query's target is a training visit that later queries do see:
those are asked one at a time.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.audit.finding import Finding, find
from refinepoi.audit.leaks import with_checkins
from refinepoi.audit.profiles import told
from refinepoi.core.seeding import generator
from refinepoi.evidence.count import count
from refinepoi.profile.spec import NoProfiles
from refinepoi.prompt.write import write_all
from refinepoi.ranker.rank import rank

if TYPE_CHECKING:
    from refinepoi.evidence.spec import EvidenceSpec
    from refinepoi.profile.write import AnyProfile
    from refinepoi.prompt.write import AnyPrompt
    from refinepoi.ranker.spec import RankerSpec

ASKED = 200
"""Held-out queries whose prompts are written again, one a user."""
ASKED_IN_TRAINING = 8
TRAINED = 400
"""Training queries beside them, on which a prompt's bins and a ranker are fitted."""
ROUNDS = 5
HOUR = 3600

Rows = npt.NDArray[np.int64]


def prompt_findings(
    trajectories: Trajectories,
    evidence: "EvidenceSpec",
    ranker: "RankerSpec",
    prompt: "AnyPrompt",
    semantic_ids: SemanticIds,
    profile: "AnyProfile | None" = None,
) -> list[Finding]:
    """Evidence and prompt of a query stay when its target and all the user does afterwards are altered.

    profile: what users are told of; left out of training queries' prompts where it is set to know their future.
    """
    off = NoProfiles(kind="off")
    of_held_out = profile or off
    of_training = off if of_held_out.kind == "off" or of_held_out.refresh_days is None else of_held_out
    rng = generator(0, "audit", "queries")
    moved = told = asked = 0
    held_out = held_out_queries(trajectories, rng)
    early = rng.permutation(trajectories.query_rows("train"))[:TRAINED]
    split = trajectories.queries["split"].to_numpy()
    validation, test = held_out[split[held_out] == 1], held_out[split[held_out] == 2]
    groups = [(validation, early), (test, np.union1d(early, validation)), *training_queries(trajectories, rng)]
    for queries, others in groups:
        told_of = of_held_out if split[queries].any() else of_training
        counted, written = changes(trajectories, evidence, ranker, prompt, semantic_ids, queries, others, told_of)
        moved, told, asked = moved + counted, told + written, asked + len(queries)
    times = ", their times" if evidence.target_time == "hidden" else ""
    text = f"{asked} targets{times} and what follows altered, nothing moved"
    return [
        find("evidence is causal", moved, text, f"of {asked} queries have other evidence"),
        find("the target is not in its own prompt", told, text, f"of {asked} prompts tell of their target or later"),
    ]


def changes(
    trajectories: Trajectories,
    evidence: "EvidenceSpec",
    ranker: "RankerSpec",
    prompt: "AnyPrompt",
    semantic_ids: SemanticIds,
    asked: Rows,
    others: Rows,
    profile: "AnyProfile",
) -> tuple[int, int]:
    """How many of the queries `asked` have other evidence, other prompts, once their targets are altered."""
    kept = np.union1d(asked, others)
    sample = replace(trajectories, queries=trajectories.queries[kept])
    altered = alter_from_targets(sample, trajectories.queries["row"].to_numpy()[asked])
    if evidence.target_time == "hidden":
        altered = alter_times(altered, np.isin(kept, asked))
    one, other = (_evidence(data, evidence, ranker) for data in (sample, altered))
    moved = np.zeros(len(kept), bool)
    for before, after in ((one.candidates, other.candidates), (one.counters, other.counters)):
        moved |= (before != after).reshape(len(moved), -1).any(1)
    moved |= (~np.isclose(one.context, other.context, rtol=0, atol=0, equal_nan=True)).any(1)
    users = np.unique(trajectories.queries["user"].to_numpy()[asked])
    texts = [
        write_all(prompt, data, counted, semantic_ids, lambda items, unit: items, told(profile, data, users))
        for data, counted in ((sample, one), (altered, other))
    ]
    mine = np.isin(kept, asked)
    return int(moved[mine].sum()), int((texts[0].table["prompt"] != texts[1].table["prompt"]).to_numpy()[mine].sum())


def _evidence(trajectories: Trajectories, spec: "EvidenceSpec", ranker: "RankerSpec") -> Evidence:
    """What prompts read. A few rounds of boosting, one network and one epoch judge a ranker's code as well as all."""
    counted = count(trajectories, spec)
    if ranker.kind == "off":
        return counted
    if ranker.kind == "trees":
        ranker = ranker.model_copy(update={"rounds": min(ranker.rounds, ROUNDS)})
        if ranker.kernels.kind != "off":
            short = ranker.kernels.model_copy(update={"epochs": 1, "networks": 1})
            ranker = ranker.model_copy(update={"kernels": short})
    return rank(ranker, counted, trajectories, threads=1)[0]


def held_out_queries(trajectories: Trajectories, rng: np.random.Generator) -> Rows:
    """One held-out query of each of some users."""
    queries = trajectories.queries.with_row_index("query").filter(pl.col("split") > 0)
    chosen = queries[rng.permutation(queries.height)].unique("user", keep="first", maintain_order=True)
    return np.sort(chosen["query"].to_numpy()[:ASKED].astype(np.int64))


def training_queries(trajectories: Trajectories, rng: np.random.Generator) -> list[tuple[Rows, Rows]]:
    """Some training queries, each by itself with some that were earlier."""
    train = trajectories.query_rows("train")
    utc = trajectories.checkins["utc"].to_numpy()[trajectories.queries["row"].to_numpy()]
    late = train[utc[train] > np.median(utc[train])]
    found = []
    for query in rng.permutation(late if len(late) else train)[:ASKED_IN_TRAINING]:
        earlier = train[utc[train] < utc[query]]
        found.append((np.array([query]), rng.permutation(earlier)[:TRAINED]))
    return found


def alter_from_targets(trajectories: Trajectories, rows: Rows) -> Trajectories:
    """Of the users of these targets, every check-in at or after it is at another place."""
    checkins = trajectories.checkins
    begin = np.full(trajectories.users.height, np.iinfo(np.int64).max)
    begin[checkins["user"].to_numpy()[rows]] = checkins["utc"].to_numpy()[rows]
    after = checkins["utc"].to_numpy() >= begin[checkins["user"].to_numpy()]
    poi = checkins["poi"].to_numpy().copy()
    poi[after] = (poi[after] + 1 + np.arange(after.sum()) % 7) % trajectories.pois.height
    return with_checkins(trajectories, checkins.with_columns(pl.Series("poi", poi, pl.Int32)))


def alter_times(trajectories: Trajectories, asked: npt.NDArray[np.bool_]) -> Trajectories:
    """
    The targets of these queries later, up to six hours, but before the user's next check-in; five hours more by the
    local clock. asked: bool [queries]. The first check-in of a split keeps its second, since it says where the split
    begins, and so does one that shares it with the check-in before.
    """
    checkins, row = trajectories.checkins, trajectories.queries["row"].to_numpy()
    own = checkins.select(next=pl.col("utc").shift(-1).over("user"), before=pl.col("utc").shift().over("user"))
    next_own, before = (own[c].cast(pl.Float64).to_numpy()[row[asked]] for c in ("next", "before"))
    utc, local = checkins["utc"].to_numpy().copy(), checkins["local"].to_numpy().copy()
    first = checkins.group_by("split").agg(pl.col("utc").min())["utc"].to_numpy()
    room = np.nan_to_num((next_own - utc[row[asked]] - 1) / 2, nan=6.0 * HOUR)
    fixed = np.isin(utc[row[asked]], first) | (before == utc[row[asked]])
    later = np.where(fixed, 0, np.clip(room, 0, 6 * HOUR)).astype(np.int64)
    utc[row[asked]] += later
    local[row[asked]] += later + 5 * HOUR
    order = np.argsort(utc, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    moved = checkins.with_columns(pl.Series("utc", utc), pl.Series("local", local))[order]
    queries: Any = trajectories.queries.with_columns(pl.Series("row", place[row], pl.Int32))
    return replace(trajectories, checkins=moved, queries=queries)
