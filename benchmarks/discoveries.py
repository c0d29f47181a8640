"""Places a user never visited: what finds them among the whole catalogue, and how many a list of ten can afford.

    python benchmarks/discoveries.py FOLDER             the published New York split in FOLDER; some minutes, 4 GB
    python benchmarks/discoveries.py FOLDER --test      the same figures on test

Each source of candidates scores every place of the catalogue; visited places are left out. Recall counts discoveries
(targets outside the user's history) among the first k. `together`: a conditional logit over all sources, fitted on
discoveries of the newest tenth of training, whose sources are counted before it. Two-way lists join it with a logit
over the evidence of visited places by the probability of a discovery, given what is known of the query (logistic
regression). Everything is counted before the asked query; a prior other than 1 makes discoveries dearer or cheaper.
Writes benchmarks/results/discoveries.json.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.dataset.stage import trajectories_of
from refinepoi.evidence.count import count
from refinepoi.evidence.visits import hour_kernel, hours_apart
from refinepoi.evidence.world import Queries, World, kilometres, make_queries, make_world
from refinepoi.launching.composition import check
from refinepoi.ranker import logit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
RESULTS = Path(__file__).parent / "results" / "discoveries.json"
FITTED, NEGATIVES, RETURNS, L2 = 1500, 400, 3000, 10.0
KS = (10, 20, 50, 100, 200)
PRIORS = (0.5, 1.0, 1.5, 2.0, 3.0)
DAY = 86_400


class City:
    """The check-ins, distances of all places, and each query's own past."""

    def __init__(self, trajectories: Trajectories) -> None:
        self.world: World = make_world(trajectories)
        self.queries: Queries = make_queries(trajectories)
        self.targets = trajectories.queries["target"].to_numpy().astype(np.int64)
        self.category = np.unique(trajectories.pois["category"].to_list(), return_inverse=True)[1]
        self.user = np.searchsorted(self.world.start, np.arange(len(self.world.poi)), "right") - 1
        places = np.arange(self.world.pois)
        self.km = np.stack([kilometres(self.world, np.full_like(places, p), places) for p in places]).astype(np.float32)

    def past(self, query: int) -> slice:
        begin = self.world.start[self.queries.user[query]]
        end = self.world.start[self.queries.user[query] + 1]
        return slice(begin, begin + np.searchsorted(self.world.utc[begin:end], self.queries.utc[query]))

    def discoveries(self, rows: Ints) -> Ints:
        """Those of the queries whose target is new to a user who has a past."""
        new = [q for q in rows if len(own := self.world.poi[self.past(q)]) and self.targets[q] not in own]
        return np.array(new, np.int64)


class Crowd:
    """What everybody's training check-ins before `cut` say."""

    def __init__(self, city: City, cut: int) -> None:
        world, pois = city.world, city.world.pois
        rows = np.flatnonzero(world.train & (world.utc < cut))
        poi, user = world.poi[rows], city.user[rows]
        self.visited = np.zeros((len(world.start) - 1, pois), np.float32)
        self.visited[user, poi] = 1
        self.people = self.visited.sum(0)
        slot = world.hour[rows].astype(np.int64) + 24 * (world.weekday[rows] >= 5)
        self.hours = np.zeros((pois, 48))
        np.add.at(self.hours, (poi, slot), 1.0)
        order = np.lexsort((world.utc[rows], poi, user))
        first = np.zeros(len(rows), bool)
        first[order] = np.r_[True, np.diff(user[order]) != 0] | np.r_[True, np.diff(poi[order]) != 0]
        self.newcomers = np.bincount(poi[first], np.exp((world.utc[rows][first] - cut) / (30 * DAY)), minlength=pois)
        self.category_hours = np.zeros((city.category.max() + 1, 48))
        np.add.at(self.category_hours, (city.category[poi[first]], slot[first]), 1.0)
        after = rows[(rows > 0) & (world.log_gap[rows] < np.log(25.0))]
        after = after[world.train[after - 1]]
        self.next = np.zeros((pois, pois), np.float32)
        np.add.at(self.next, (world.poi[after - 1], world.poi[after]), 1)
        together = self.visited.T @ self.visited
        norm = np.sqrt(np.maximum(self.people, 1))
        self.alike = together / norm[:, None] / norm
        np.fill_diagonal(self.alike, 0)
        inverse = np.linalg.inv(together + 200 * np.eye(pois, dtype=np.float32))
        self.ease = np.maximum(-inverse / np.diag(inverse), 0)
        np.fill_diagonal(self.ease, 0)


def sources(city: City, crowd: Crowd, rows: Ints) -> tuple[dict[str, npt.NDArray[np.float32]], npt.NDArray[np.bool_]]:
    """Each source's score of every place, [n, P] >= 0; and the places visited before."""
    world, n = city.world, len(rows)
    visits, recent = np.zeros((n, world.pois), np.float32), np.zeros((n, world.pois), np.float32)
    habit, gap, last = np.zeros((n, city.category.max() + 1)), np.zeros(n), np.zeros(n, np.int64)
    for k, query in enumerate(rows):
        own, now = city.past(query), city.queries.utc[query]
        np.add.at(visits[k], world.poi[own], 1)
        np.add.at(recent[k], world.poi[own], np.exp((world.utc[own] - now) / (14 * DAY)))
        near = hour_kernel(hours_apart(world.hour[own], city.queries.hour[query]), 2.0)
        np.add.at(habit[k], city.category[world.poi[own]], near)
        last[k], gap[k] = world.poi[own][-1], (now - world.utc[own][-1]) / 3600
    weekend = (city.queries.weekday[rows] >= 5)[:, None]
    around = hour_kernel(hours_apart(np.arange(24)[None] + 0.5, city.queries.hour[rows][:, None]), 1.5)
    around = np.concatenate([around * np.where(weekend, 0.3, 1), around * np.where(weekend, 1, 0.3)], 1)
    seen, close = visits > 0, np.exp(-city.km / 0.3)
    by_category = around @ crowd.category_hours.T
    likeness = (seen @ crowd.visited.T) / np.sqrt(np.maximum(seen.sum(1)[:, None] * crowd.visited.sum(1)[None], 1))
    likeness[np.arange(n), city.queries.user[rows]] = 0
    share = np.sqrt(visits) / np.sqrt(visits).sum(1, keepdims=True)
    found: dict[str, Any] = {
        "near the last place": 1 / (0.05 + city.km[last]),
        "near it, soon after": np.exp(-gap / 6)[:, None] / (0.05 + city.km[last]),
        "near own places, 0.3 km": share @ close,
        "near own places of two weeks, 1 km": (recent / recent.sum(1, keepdims=True)) @ np.exp(-city.km),
        "visitors": np.broadcast_to(crowd.people, (n, world.pois)),
        "first visits of a month": np.broadcast_to(crowd.newcomers, (n, world.pois)),
        "visits at this hour": around @ crowd.hours.T,
        "category of first visits at this hour": (by_category / by_category.sum(1, keepdims=True))[:, city.category],
        "own category at this hour": (habit / np.maximum(habit.sum(1, keepdims=True), 1e-9))[:, city.category],
        "after the last place or one near": crowd.next[last] @ close,
        "item kNN": seen @ crowd.alike,
        "EASE": seen @ crowd.ease,
        "user kNN": likeness**2 @ crowd.visited,
    }
    return {name: np.asarray(values, np.float32) for name, values in found.items()}, seen


def recall(scores: Floats, seen: npt.NDArray[np.bool_], targets: Ints) -> list[float]:
    scores = np.where(seen, -np.inf, scores)
    own = np.take_along_axis(scores, targets[:, None], 1)
    rank = (scores > own).sum(1) + ((scores == own).sum(1) + 1) / 2
    return [round(float((rank <= k).mean()), 4) for k in KS]


def table_of(found: dict[str, npt.NDArray[np.float32]], columns: Ints, seen: npt.NDArray[np.bool_]) -> Evidence:
    """The sources as counters of an evidence whose candidates are `columns`; a visited place is none."""
    counters = np.stack([np.take_along_axis(values, columns, 1) for values in found.values()], 2)
    candidates = np.where(np.take_along_axis(seen, columns, 1), -1, columns).astype(np.int32)
    return Evidence(candidates, counters, tuple(found), np.zeros((len(columns), 0), np.float32), (), {})


def together(city: City, taught: Ints, cut: int) -> logit.Logit:
    """The logit over all sources, from each target beside places drawn from the catalogue."""
    found, seen = sources(city, Crowd(city, cut), taught)
    drawn = np.random.default_rng(0).integers(0, city.world.pois, (len(taught), NEGATIVES))
    columns = np.concatenate([city.targets[taught][:, None], drawn], 1)
    evidence = table_of(found, columns, seen)
    return logit.fit(evidence, np.arange(len(taught)), np.zeros(len(taught), np.int64), evidence.names, L2)


def facts_of(evidence: Evidence, rows: Ints) -> Floats:
    """What the probability of a discovery is read from: hour, weekday, gap, activity, how strong the habits are."""
    facts = dict(zip(evidence.context_names, np.asarray(evidence.context[rows], np.float64).T, strict=True))
    habits = [evidence.counters[rows][:, :, evidence.names.index(n)] for n in ("user_habit", "user_gap_habit")]
    turn = 2 * np.pi * facts["hour"] / 24
    columns = [f(k * turn) for k in (1, 2) for f in (np.sin, np.cos)]
    columns += [np.log1p(facts["history_visits"]), np.log1p(facts["history_pois"]), facts["weekday"] >= 5]
    columns += [facts["history_pois"] / np.maximum(facts["history_visits"], 1), np.minimum(facts["prefix_length"], 10)]
    columns += [np.log1p(np.nan_to_num(facts["gap_hours"], nan=99)), *(np.log(0.01 + h.sum(1)) for h in habits)]
    columns += [evidence.counters[rows][:, :, evidence.names.index("user_habit_share")].max(1)]
    return np.stack(columns, 1)


def softmax(scores: Floats) -> Floats:
    likely = np.exp(scores - np.maximum(scores.max(1, keepdims=True), -1e300))
    return np.asarray(likely / np.maximum(likely.sum(1, keepdims=True), 1e-300))


def two_way(city: City, evidence: Evidence, train: Ints, rows: Ints, new: Ints, scores: Floats) -> dict[str, Any]:
    """Lists of visited and new places by probability. scores: [len(new), P] of new places, -inf where visited.

    A return has no new places scored: those of a discovery drawn at random stand before it.
    """
    position, chance = evidence.position(city.targets), np.zeros(len(rows))
    visited = evidence.counter("user_count") > 0
    at = np.maximum(position, 0)
    returned = (position >= 0) & visited[np.arange(len(position)), at]
    taught = train[-17_000:]
    read, asked = facts_of(evidence, taught), facts_of(evidence, rows)
    mean, spread = read.mean(0), read.std(0)
    model = LogisticRegression(max_iter=500).fit((read - mean) / spread, ~returned[taught])
    chance = model.predict_proba((asked - mean) / spread)[:, 1]
    newest = train[-RETURNS:]
    habits = logit.fit(evidence, newest, position[newest], evidence.names, 30.0).scores(evidence, rows)
    own = softmax(np.where(visited[rows], habits, -np.inf))
    fresh = softmax(scores)
    which = {query: n for n, query in enumerate(new.tolist())}
    others = np.random.default_rng(0).integers(0, len(new), len(rows))
    found: dict[str, Any] = {"AUC of discovery": round(float(roc_auc_score(~returned[rows], chance)), 4)}
    one_way = np.where(evidence.candidates[rows] >= 0, habits, -np.inf)
    mine = np.take_along_axis(one_way, at[rows][:, None], 1)
    ranks = {"one way": np.where(position[rows] >= 0, 1.0 + (one_way > mine).sum(1), np.inf)}
    for prior in PRIORS:
        share = prior * chance / (prior * chance + 1 - chance)
        rank = np.full(len(rows), np.inf)
        for n, query in enumerate(rows.tolist()):
            line = which.get(query, others[n])
            if query in which:
                value = share[n] * fresh[line, city.targets[query]]
            elif returned[query]:
                value = (1 - share[n]) * own[n, position[query]]
            else:
                continue
            rank[n] = 1 + ((1 - share[n]) * own[n] > value).sum() + (share[n] * fresh[line] > value).sum()
        ranks[f"prior {prior:g}"] = rank
    groups: dict[str, Callable[[Floats], Floats]] = {
        "all": lambda r: r, "returns": lambda r: r[returned[rows]], "discoveries": lambda r: r[np.isin(rows, new)],
    }  # fmt: skip
    for name, rank in ranks.items():
        found[name] = {
            group: {**{f"Acc@{k}": round(float((of(rank) <= k).mean()), 4) for k in (1, 5, 10)},
                    "MRR": round(float((1 / of(rank)).mean()), 4)}
            for group, of in groups.items()
        }  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--test", action="store_true")
    options = parser.parse_args()
    experiment = check(["dataset=nyc", f"dataset.path={options.folder}"], multirun=False).jobs[0].experiment
    trajectories = trajectories_of(experiment.dataset)
    city, split = City(trajectories), "test" if options.test else "validation"
    train, rows = trajectories.query_rows("train"), trajectories.query_rows(split)
    late = train[-len(train) // 7 :]
    cut = int(city.queries.utc[late[0]])
    taught = np.sort(np.random.default_rng(0).permutation(city.discoveries(late))[:FITTED])
    model, new = together(city, taught, cut), city.discoveries(rows)
    found, seen = sources(city, Crowd(city, int(city.queries.utc[rows].min())), new)
    results: dict[str, Any] = {"split": split, "queries": len(rows), "discoveries": len(new), "recall at": KS}
    results["recall"] = {name: recall(values, seen, city.targets[new]) for name, values in found.items()}
    everywhere = np.broadcast_to(np.arange(city.world.pois), (len(new), city.world.pois))
    parts = [slice(q, q + 50) for q in range(0, len(new), 50)]
    read = (table_of({n: v[part] for n, v in found.items()}, everywhere[part], seen[part]) for part in parts)
    scores = np.concatenate([model.scores(part, np.arange(len(part.candidates))) for part in read])
    scores = np.where(seen, -np.inf, scores)
    results["recall"]["together"] = recall(scores, seen, city.targets[new])
    evidence = count(trajectories, experiment.evidence)
    results["lists"] = two_way(city, evidence, train, rows, new, scores)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(known | {split: results}, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
