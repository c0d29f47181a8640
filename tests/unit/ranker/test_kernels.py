"""Learned kernels: they learn, they are the same bytes every time, and they score a query the same in any company."""

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
from refinepoi.dataset.stage import trajectories_of
from refinepoi.evidence.count import count
from refinepoi.launching.composition import check
from refinepoi.ranker.crossfit import folds_by_user, plan
from refinepoi.ranker.kernels import WEIGHTS, Kernels, joined, learn
from refinepoi.ranker.network import DeepSets, fit
from refinepoi.ranker.pairs import pair
from refinepoi.ranker.spec import DeepSetsKernels


def settings(**changes: Any) -> DeepSetsKernels:
    small = {"visits": 30, "width": 16, "kernels": 6, "category_width": 3, "networks": 1, "epochs": 2, "batch_size": 16}
    return DeepSetsKernels.model_validate(option("ranker", "kernels/deep_sets") | small | {"seed": 0} | changes)


@pytest.fixture(scope="module")
def visits() -> Trajectories:
    small = ["dataset.city.users=12", "dataset.city.pois=40", "dataset.city.days=40", "tracking=off"]
    return trajectories_of(check(small, multirun=False).jobs[0].experiment.dataset)


@pytest.fixture(scope="module")
def evidence(visits: Trajectories) -> Evidence:
    return count(visits, check(["evidence.candidates=24"], multirun=False).jobs[0].experiment.evidence)


@pytest.fixture(scope="module")
def history(visits: Trajectories, evidence: Evidence) -> History:
    return History.of(visits, evidence)


def fitted(history: History, queries: np.ndarray, targets: np.ndarray, **changes: Any) -> Kernels:
    spec = settings(**changes)
    return Kernels(spec, fit(spec, history, queries, targets, range(spec.epochs)))


def test_a_planted_habit_is_learned(visits: Trajectories, history: History, evidence: Evidence) -> None:
    """Everybody returns to the place of the visit before the last one."""
    train = visits.query_rows("train")
    train = train[(history.end - history.start)[train] > 3]
    target = history.poi[history.end[train] - 2]
    half = len(train) // 2
    kernels = fitted(history, train[:half], target[:half], epochs=12, learning_rate=0.01)
    asked, wanted = train[half:], target[half:]
    scores = kernels.scores(history, evidence, asked)
    best = evidence.candidates[asked, scores.argmax(1)]
    last = history.poi[history.end[asked] - 1]
    assert (best == wanted).mean() > 0.9 and (last == wanted).mean() < 0.5
    assert (scores.sum(1) <= 1 + 1e-9).all()


def test_places_never_visited_have_no_probability(visits: Trajectories, history: History, evidence: Evidence) -> None:
    train, target = visits.query_rows("train"), visits.queries["target"].to_numpy().astype(np.int64)
    held = visits.query_rows("validation")[:40]
    scores = fitted(history, train, target[train]).scores(history, evidence, held)
    for number, query in enumerate(held.tolist()):
        visited = np.isin(evidence.candidates[query], history.poi[history.visible(query)[-30:]])
        np.testing.assert_array_equal(scores[number] > 0, visited)


def test_same_bytes_every_time_and_the_same_score_in_any_company(
    visits: Trajectories, history: History, evidence: Evidence, tmp_path: Path
) -> None:
    train, target = visits.query_rows("train")[-200:], visits.queries["target"].to_numpy().astype(np.int64)
    kernels = fitted(history, train, target[train])
    files = []
    for name, one in (("a", kernels), ("b", fitted(history, train, target[train]))):
        (tmp_path / name).mkdir()
        told = one.save(tmp_path / name)
        files.append((tmp_path / name / WEIGHTS).read_bytes())
    assert files[0] == files[1]
    again = Kernels.load(tmp_path / "a", told)
    held = np.flatnonzero(visits.queries["split"].to_numpy() > 0)[:50]
    together = joined(evidence, kernels.scores(history, evidence, np.arange(len(evidence.candidates))))
    for query in held.tolist():
        only = {name: getattr(evidence, name)[[query]] for name in ("candidates", "counters", "context")}
        scores = again.scores(history, evidence, np.array([query]))
        np.testing.assert_array_equal(joined(replace(evidence, **only), scores).counters[0], together.counters[query])


def test_networks_are_averaged_and_the_first_is_the_single_one(
    visits: Trajectories, history: History, evidence: Evidence, tmp_path: Path
) -> None:
    train, target = visits.query_rows("train")[-150:], visits.queries["target"].to_numpy().astype(np.int64)
    single, three = (fitted(history, train, target[train], networks=n) for n in (1, 3))
    assert len(single.networks) == 1 and len(three.networks) == 3
    weights = [network.state_dict()["read.weight"] for network in (*single.networks, *three.networks)]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[1] != weights[2]).any() and (weights[2] != weights[3]).any()
    held = visits.query_rows("validation")[:30]
    each = [Kernels(single.spec, (network,)).scores(history, evidence, held) for network in three.networks]
    np.testing.assert_allclose(three.scores(history, evidence, held), np.mean(each, 0), rtol=1e-12)
    again = Kernels.load(tmp_path, three.save(tmp_path))
    np.testing.assert_array_equal(again.scores(history, evidence, held), three.scores(history, evidence, held))


def test_probabilities_stand_behind_the_counters_each_and_as_a_part_of_the_best() -> None:
    counters = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    evidence = Evidence(np.zeros((2, 3), np.int32), counters, ("a", "b"), np.zeros((2, 0), np.float32), (), {"x": 1})
    found = joined(evidence, np.array([[0.2, 0.4, 0.0], [0.0, 0.0, 0.0]]))
    assert found.names == ("a", "b", "kernel_score", "kernel_lead")
    assert found.facts == {"x": 1, "probabilities": ("kernel_score", "kernel_lead")}
    np.testing.assert_array_equal(found.counters[..., :2], counters)
    np.testing.assert_allclose(found.counter("kernel_score"), [[0.2, 0.4, 0], [0, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(found.counter("kernel_lead"), [[0.5, 1, 0], [0, 0, 0]], rtol=1e-6)


def test_no_gradient_is_added_in_any_order(visits: Trajectories, history: History) -> None:
    """Brackets around an index are: several threads add to one row whenever they come to it."""
    queries = visits.query_rows("train")[-20:]
    left, seen = [DeepSets(settings(), 60)(pair(history, queries, 30)).grad_fn], set[str]()
    while left:
        node = left.pop()
        if node is not None:
            seen.add(node.name())
            left += [before for before, _ in node.next_functions]
    assert "IndexSelectBackward0" in seen and "IndexBackward0" not in seen


def test_nothing_to_learn_from_is_no_fault(
    visits: Trajectories, history: History, evidence: Evidence, tmp_path: Path
) -> None:
    train = visits.query_rows("train")[:20]
    kernels = fitted(history, train, np.full(20, visits.pois.height))  # nobody was ever there
    assert not kernels.networks
    again = Kernels.load(tmp_path, kernels.save(tmp_path))
    ranked = again.join(history, evidence)
    assert ranked.names[-2:] == ("kernel_score", "kernel_lead") and (ranked.counters[:, :, -2:] == 0).all()


def test_each_round_reads_kernels_that_are_taught_by_what_they_may_know(
    visits: Trajectories, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two folds, told apart by whom each fit is taught by: its score is the number of the fit."""
    rounds = plan(visits, 2, 0, refit=True)
    assert [(set(taught), set(asked)) for taught, asked in rounds.rounds] == [
        ({1}, {0}), ({0}, {1}), ({0, 1}, {2}), ({0, 1, 2}, {3})
    ]  # fmt: skip
    fits: list[set[int]] = []

    def named(spec: Any, history: Any, queries: np.ndarray, *rest: Any) -> tuple[DeepSets, ...]:
        fits.append(set(rounds.part[queries].tolist()))
        return ()

    def number(self: Kernels, history: Any, evidence: Evidence, queries: np.ndarray) -> np.ndarray:
        return np.full((len(queries), 24), len(fits) - 1.0)

    monkeypatch.setattr("refinepoi.ranker.network.fit", named)
    monkeypatch.setattr(Kernels, "scores", number)
    scores, _ = learn(settings(samples=10**6), evidence, visits, rounds)
    assert len(fits) == 5  # without a fold, without both, all of training, training and validation
    found = [{part: fits[int(one[rounds.queries([part])][0, 0])] for part in range(4)} for one in scores]
    assert found[0][0] == {1} and found[0][1] == set()
    assert found[1][0] == set() and found[1][1] == {0}
    assert found[2] | {3: None} == {0: {1}, 1: {0}, 2: {0, 1}, 3: None}
    assert found[3] == {0: {1}, 1: {0}, 2: {0, 1}, 3: {0, 1, 2}}


def test_progress_is_told_to_its_end(visits: Trajectories, evidence: Evidence) -> None:
    """Also where a fit has nothing to learn from: without both of two folds nobody is left."""
    steps = list[int]()
    rounds = plan(visits, 2, 0, refit=False)
    learn(
        settings(epochs=2, samples=20),
        evidence,
        visits,
        rounds,
        lambda ticks: map(lambda n: steps.append(n) or n, ticks),
    )
    assert steps == list(range(8))


def test_trees_of_a_fold_read_no_kernels_that_know_its_answers(visits: Trajectories, evidence: Evidence) -> None:
    """Also not by way of other users' scores: the answers of a fold move nothing that its trees read."""
    spec, train = settings(epochs=1, samples=150), visits.query_rows("train")
    fold, users = folds_by_user(visits, 3, 0), visits.queries["user"].to_numpy()
    user = int(users[train[-1]])
    answer = train[users[train] == user][-1]
    target = visits.queries["target"].to_numpy().copy()
    target[answer] = visits.checkins["poi"].to_numpy()[visits.queries["row"].to_numpy()[train[users[train] == user][0]]]
    assert target[answer] != visits.queries["target"][int(answer)]
    poi = visits.checkins["poi"].to_numpy().copy()
    poi[visits.queries["row"].to_numpy()[answer]] = target[answer]
    other = replace(
        visits,
        checkins=visits.checkins.with_columns(pl.Series("poi", poi, pl.Int32)),
        queries=visits.queries.with_columns(pl.Series("target", target, pl.Int32)),
    )
    before, after = (learn(spec, evidence, data, plan(data, 3, 0, refit=True))[0] for data in (visits, other))
    own = int(fold[answer])
    np.testing.assert_array_equal(after[own][train], before[own][train])
    assert all((after[n][train] != before[n][train]).any() for n in range(3) if n != own)  # it does teach the others
