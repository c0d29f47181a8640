"""What a ranker may not see changes nothing; probabilities and orders agree."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from options import option

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.history import History
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import UserError
from refinepoi.dataset.stage import trajectories_of
from refinepoi.evidence.count import count
from refinepoi.launching.composition import check
from refinepoi.ranker.crossfit import folds_by_user, taught_by
from refinepoi.ranker.order import probabilities, reorder
from refinepoi.ranker.rank import quality, rank
from refinepoi.ranker.serve import FittedRanker
from refinepoi.ranker.spec import LogitRanker, TreesRanker, added_counters

KINDS = ("trees", "kernels", "logit")
TINY = {
    "visits": 20,
    "width": 8,
    "kernels": 4,
    "category_width": 2,
    "networks": 1,
    "samples": 300,
    "epochs": 1,
    "batch_size": 32,
    "seed": 0,
}


def settings(kind: str, **changes: Any) -> TreesRanker | LogitRanker:
    small = {"samples": 800, "folds": 3, "kept": 12, "seed": 0}
    if kind == "logit":
        spec = option("ranker", kind) | small | changes
        return LogitRanker.model_validate({**spec, **tuples(spec)})
    learned = option("ranker", "kernels/deep_sets") | TINY if kind == "kernels" else {"kind": "off"}
    small |= {"rounds": 8, "min_leaf": 5, "feature_fraction": 1.0, "kernels": learned}
    return TreesRanker.model_validate(option("ranker", "trees") | small | changes)


def tuples(spec: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) for key, value in spec.items() if isinstance(value, list)}


@pytest.fixture(scope="module")
def visits() -> Trajectories:
    small = ["dataset.city.users=30", "dataset.city.pois=60", "dataset.city.days=50", "tracking=off"]
    return trajectories_of(check(small, multirun=False).jobs[0].experiment.dataset)


@pytest.fixture(scope="module")
def evidence(visits: Trajectories) -> Evidence:
    spec = check(["evidence.candidates=32"], multirun=False).jobs[0].experiment.evidence
    return count(visits, spec)


def other_targets(visits: Trajectories, which: np.ndarray) -> Trajectories:
    """Some answers are others: leaks show as moved scores."""
    targets = visits.queries["target"].to_numpy().copy()
    targets[which] = (targets[which] + 1) % visits.pois.height
    return with_targets(visits, targets)


def with_targets(visits: Trajectories, targets: np.ndarray) -> Trajectories:
    """Other answers to the same questions: what evidence was counted from is not counted again."""
    poi = visits.checkins["poi"].to_numpy().copy()
    poi[visits.queries["row"].to_numpy()] = targets
    target = pl.Series("target", targets, pl.Int32)
    checkins = visits.checkins.with_columns(pl.Series("poi", poi, pl.Int32))
    return replace(visits, checkins=checkins, queries=visits.queries.with_columns(target))


@pytest.mark.parametrize("kind", KINDS)
def test_no_query_is_scored_by_a_model_that_saw_its_users_answers(
    kind: str, visits: Trajectories, evidence: Evidence
) -> None:
    spec = settings(kind)
    before = rank(spec, evidence, visits, 1)[0]
    users, train = visits.queries["user"].to_numpy(), visits.queries["split"].to_numpy() == 0
    for user in (0, 7):
        mine = train & (users == user)
        # kernels read the visits themselves, in which only the last answer is not seen by another of these queries
        answers = np.flatnonzero(mine)[-1:] if kind == "kernels" else np.flatnonzero(mine)
        after = rank(spec, evidence, other_targets(visits, answers), 1)[0]
        np.testing.assert_array_equal(after.candidates[mine], before.candidates[mine])
        np.testing.assert_array_equal(after.counters[mine], before.counters[mine])
        assert not np.array_equal(after.counters[~train], before.counters[~train])  # they do teach the others


def unmoved(kind: str, visits: Trajectories, held: np.ndarray) -> np.ndarray:
    """Queries before or among `held` whose visible visits stay when the answers of all `held` are others."""
    if kind != "kernels":
        return np.arange(held[-1] + 1)
    first = np.unique(visits.queries["user"].to_numpy()[held], return_index=True)[1]
    return np.concatenate([np.arange(held[0]), held[first]])  # a later query sees the answer of an earlier one


@pytest.mark.parametrize("kind", KINDS)
def test_answers_of_validation_and_test_teach_nobody(kind: str, visits: Trajectories, evidence: Evidence) -> None:
    held = np.flatnonzero(visits.queries["split"].to_numpy() > 0)
    before, after = (rank(settings(kind), evidence, data, 1)[0] for data in (visits, other_targets(visits, held)))
    same = unmoved(kind, visits, held)
    np.testing.assert_array_equal(after.counters[same], before.counters[same])
    np.testing.assert_array_equal(after.candidates[same], before.candidates[same])


@pytest.mark.parametrize("kind", KINDS)
def test_refitted_answers_of_validation_teach_the_ranks_of_test_and_no_others(
    kind: str, visits: Trajectories, evidence: Evidence, tmp_path: Path
) -> None:
    plain, spec = rank(settings(kind), evidence, visits, 1)[0], settings(kind, refit=True)
    validation, test = visits.query_rows("validation"), visits.query_rows("test")
    before, fitted = rank(spec, evidence, visits, 1)
    earlier = np.concatenate([visits.query_rows("train"), validation])
    for name in ("candidates", "counters"):  # training and validation are ranked as without
        np.testing.assert_array_equal(getattr(before, name)[earlier], getattr(plain, name)[earlier])
    assert not np.array_equal(before.counters[test], plain.counters[test])
    fitted.save(tmp_path)  # people who ask later get the fit of test
    served = FittedRanker.load(tmp_path).order(evidence, History.of(visits, evidence))
    np.testing.assert_array_equal(served.counters[test], before.counters[test])
    for changed in (validation, test):
        after, other = rank(spec, evidence, other_targets(visits, changed), 1)
        same = unmoved(kind, visits, changed)
        np.testing.assert_array_equal(after.counters[same], before.counters[same])
        np.testing.assert_array_equal(after.candidates[same], before.candidates[same])
        taught = (tmp_path / str(len(changed)), tmp_path / "all")
        for folder, one in zip(taught, (other, fitted), strict=True):
            folder.mkdir(exist_ok=True)
            one.save(folder)
        files = {path.name for path in taught[1].iterdir()}
        moved = {name for name in files if len({(folder / name).read_bytes() for folder in taught}) > 1}
        assert moved == (files - ({"ranker.json"} if kind != "logit" else set()) if changed is validation else set())


@pytest.mark.parametrize("kind", KINDS)
def test_the_ranked_evidence_is_the_evidence_in_another_order(
    kind: str, visits: Trajectories, evidence: Evidence, tmp_path: Path
) -> None:
    spec = settings(kind, kept=32)
    ranked, fitted = rank(spec, evidence, visits, 1)
    assert ranked.names == (*evidence.names, *added_counters(spec))
    assert ranked.facts["probabilities"] == added_counters(spec)
    np.testing.assert_array_equal(np.sort(ranked.candidates, 1), np.sort(evidence.candidates, 1))
    for query in range(0, len(ranked.candidates), 97):
        where = {poi: n for n, poi in enumerate(evidence.candidates[query].tolist())}
        for n, poi in enumerate(ranked.candidates[query].tolist()):
            if poi >= 0:
                was = evidence.counters[query, where[poi]]
                np.testing.assert_array_equal(ranked.counters[query, n, : len(was)], was)
    score, lead = ranked.counter("ranker_score"), ranked.counter("ranker_lead")
    np.testing.assert_allclose(score.sum(1), 1.0, rtol=1e-5)
    assert (np.diff(score, axis=1) <= 0).all() and (lead[:, 0] == 1).all() and (score[ranked.candidates < 0] == 0).all()
    np.testing.assert_allclose(lead * score[:, :1], score, rtol=1e-5, atol=1e-9)
    fitted.save(tmp_path)
    served, held = (
        FittedRanker.load(tmp_path).order(evidence, History.of(visits, evidence)),
        visits.queries["split"].to_numpy() > 0,
    )
    np.testing.assert_array_equal(served.candidates[held], ranked.candidates[held])
    np.testing.assert_array_equal(served.counters[held], ranked.counters[held])
    assert served.names == ranked.names
    targets = visits.queries["target"].to_numpy()
    validation = visits.query_rows("validation")
    found = quality(ranked, visits)["validation_mrr"]
    place = evidence.position(targets)[validation]
    assert found > np.where(place >= 0, 1 / (place + 1.0), 0).mean() - 0.03  # no worse than the cheap order
    short = rank(settings(kind, kept=5), evidence, visits, 1)[0]
    np.testing.assert_array_equal(short.candidates, ranked.candidates[:, :5])
    np.testing.assert_array_equal(short.counters, ranked.counters[:, :5])


def test_probabilities_by_hand() -> None:
    candidates = np.array([[3, 1, -1], [-1, -1, -1]], np.int32)
    evidence = Evidence(candidates, np.zeros((2, 3, 0), np.float32), (), np.zeros((2, 0), np.float32), (), {})
    scores = np.array([[0.0, 2 * np.log(3.0), 99.0], [1.0, 2.0, 3.0]])
    np.testing.assert_allclose(probabilities(evidence, scores, 2.0), [[0.25, 0.75, 0], [0, 0, 0]])
    ranked = reorder(evidence, scores, 2.0, 2, {})
    assert ranked.candidates.tolist() == [[1, 3], [-1, -1]] and ranked.facts["candidates"] == 2
    np.testing.assert_allclose(ranked.counters, [[[0.75, 1], [0.25, 1 / 3]], [[0, 0], [0, 0]]], rtol=1e-6)


def test_folds_keep_users_together_and_are_even(visits: Trajectories) -> None:
    fold, users = folds_by_user(visits, 3, 0), visits.queries["user"].to_numpy()
    assert all(len(set(fold[users == user].tolist())) == 1 for user in np.unique(users))
    assert set(fold.tolist()) == {0, 1, 2}


def test_unknown_counters_are_refused_by_name(visits: Trajectories, evidence: Evidence) -> None:
    with pytest.raises(UserError, match=r"ranker\.counters: the evidence has no counter user_conut"):
        rank(settings("logit", counters=["user_conut"]), evidence, visits, 1)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["prompt.counters=[ranker_score]"], "prompt.counters: ranker_score comes from a ranker"),
        (["ranker=trees", "ranker.kept=15"], "prompt.candidates: 20 are to be shown but ranker.kept is 15"),
    ],
)
def test_prompts_and_rankers_must_agree(words: list[str], line: str) -> None:
    with pytest.raises(UserError, match=line):
        check(words, multirun=False)
    check(["ranker=logit", "prompt.counters=[ranker_score,ranker_lead]"], multirun=False)


@pytest.mark.parametrize("kind", KINDS)
def test_on_shuffled_answers_every_split_scores_at_chance(kind: str, visits: Trajectories, evidence: Evidence) -> None:
    width = (evidence.candidates >= 0).sum(1)
    place = (np.random.default_rng(0).random(len(width)) * width).astype(np.int64)
    shuffled = with_targets(visits, evidence.candidates[np.arange(len(width)), place])
    ranked = rank(settings(kind, kept=32, samples=3000), evidence, shuffled, 1)[0]
    chance = {n: (1 / np.arange(1, n + 1)).mean() for n in np.unique(width)}
    for split, found in ((s, quality(ranked, shuffled)[f"{s}_mrr"]) for s in ("train", "validation")):
        rows = visits.query_rows(split)
        expected, spread = np.mean([chance[n] for n in width[rows]]), 0.22 / np.sqrt(len(rows))
        assert abs(found - expected) < 3 * spread, (split, found, expected)


def test_a_fit_reads_the_newest_queries_and_the_last_of_each_trajectory(visits: Trajectories) -> None:
    train = visits.query_rows("train")
    some = train[:-40]
    newest = taught_by(visits, 25, ends=False)(some)
    np.testing.assert_array_equal(newest, some[-25:])
    trajectory = visits.queries["trajectory"].to_numpy()
    last = {int(trajectory[query]): int(query) for query in some}
    assert len(last) < len(some)
    assert taught_by(visits, 25, ends=True)(some).tolist() == sorted({*last.values(), *newest.tolist()})


def test_a_prior_lifts_places_never_visited_and_keeps_the_order_among_them(
    visits: Trajectories, evidence: Evidence, tmp_path: Path
) -> None:
    plain, _ = rank(settings("logit", kept=32), evidence, visits, 1)
    lifted, fitted = rank(settings("logit", kept=32, discovery_prior=5.0), evidence, visits, 1)
    for query in range(0, len(plain.candidates), 9):
        new = [dict(zip(e.candidates[query], e.counter("user_count")[query], strict=True)) for e in (plain, lifted)]
        for visited in (True, False):
            before, after = ([p for p, visits in n.items() if p >= 0 and (visits > 0) == visited] for n in new)
            assert before == after

    def odds(ranked: Evidence) -> np.ndarray:
        unseen = (ranked.counter("user_count") == 0) & (ranked.candidates >= 0)
        likely = ranked.counter("ranker_score").astype(np.float64)
        return np.where(unseen, likely, 0).sum(1) / np.where(unseen, 0, likely).sum(1).clip(1e-30)

    both = (odds(plain) > 1e-6) & (odds(plain) < 1e6)
    assert both.sum() > 100
    np.testing.assert_allclose(odds(lifted)[both] / odds(plain)[both], 5.0, rtol=1e-4)
    fitted.save(tmp_path)
    held = np.concatenate([visits.query_rows("validation"), visits.query_rows("test")])
    served = FittedRanker.load(tmp_path).order(evidence, History.of(visits, evidence))
    np.testing.assert_array_equal(served.candidates[held], lifted.candidates[held])
