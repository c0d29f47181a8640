"""The bound on the embedded city: its chances are the generator's, and counters stay below it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from refinepoi.core.seeding import generator
from refinepoi.dataset.city import Walk, choose_places, weekends
from refinepoi.dataset.habits import AFTER, IMPULSIVE, born, plan
from refinepoi.dataset.oracle import expected, going, insider, oracle
from refinepoi.dataset.places import draw_map
from refinepoi.dataset.realism import ranking_figures
from refinepoi.dataset.stage import trajectories_of


def test_the_expected_figures_of_the_best_ranking() -> None:
    chances = np.array([0.1, 0.0, 0.5, 0.4])
    acc1, acc5, acc10, mrr = expected(chances * 7)
    assert acc1 == pytest.approx(0.5) and acc5 == acc10 == pytest.approx(1.0)
    assert mrr == pytest.approx(0.5 + 0.4 / 2 + 0.1 / 3)


@pytest.mark.parametrize("name", ["insider", "oracle"])
def test_chances_are_the_generators(load_spec: Callable[..., Any], name: str) -> None:
    """Over all events, the place taken has on average the rank and the chance that the distribution promises."""
    model = load_spec("city", {"city.users": 40, "city.pois": 150, "city.days": 60}).city
    city, weekend = draw_map(model, 3), weekends(model)
    promised, kept = [], []
    for number in range(model.users):
        rng = generator(3, "city", "person", str(number))
        person = born(model, city, rng)
        events = plan(model, city, person, weekend, rng)
        chosen = choose_places(model, city, person, events, rng)
        walk = Walk(model, city, person, events)
        for n in range(len(chosen)):
            walk.arrive(n)
            chances = insider(city, walk, n) if name == "insider" else oracle(model, city, person, walk, weekend, n)
            chances = chances / chances.sum()
            promised.append([chances.max(), (chances**2).sum()])
            kept.append([chances.argmax() == chosen[n], chances[chosen[n]]])
            walk.visit(n, chosen[n])
    error = np.std(np.array(kept) - promised, axis=0) / np.sqrt(len(kept))
    away = np.abs(np.mean(kept, 0) - np.mean(promised, 0))
    assert len(kept) > 1500 and (error < 0.02).all()
    assert (away < (3 * error if name == "insider" else 0.03)).all(), (away, error)


def test_a_choice_is_a_distribution_over_its_kind(load_spec: Callable[..., Any]) -> None:
    model = load_spec("city", {"city.users": 5, "city.pois": 60, "city.days": 40}).city
    city, rng = draw_map(model, 0), generator(0, "a person")
    person = born(model, city, rng)
    events = plan(model, city, person, weekends(model), rng)
    walk = Walk(model, city, person, events)
    for n in range(5):
        walk.arrive(n)
        kind = int(events.kind[n])
        chances = going(city, walk, n, kind)
        assert chances.sum() == pytest.approx(1) and (chances >= 0).all()
        assert kind < 0 or set(city.kind[chances > 0]) == {kind}
        walk.visit(n, int(chances.argmax()))
    assert set(events.origin) <= {*range(len(events.habits)), IMPULSIVE, AFTER}


def test_the_bound_is_in_the_facts_and_above_counting(load_spec: Callable[..., Any]) -> None:
    made = trajectories_of(load_spec("city"))
    bounds = made.facts["oracle"]
    frequency, at_hour, _ = ranking_figures(made)
    for split in ("validation", "test"):
        assert bounds[split]["oracle"]["samples"] == made.facts["counts"]["splits"][split]["samples"]
        best, known = bounds[split]["insider"], bounds[split]["oracle"]
        assert best["Acc@1"] > known["Acc@1"] + 0.1 > at_hour + 0.15 > frequency
        assert best["Acc@1"] < best["MRR"] < best["Acc@5"] < best["Acc@10"] < 1
