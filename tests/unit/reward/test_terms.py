"""Each term by tables worked by hand, and its bounds for any text."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from options import option

from refinepoi.artifacts import trajectories
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.reward import terms
from refinepoi.reward.answers import Answers
from refinepoi.reward.combine import Rewards
from refinepoi.reward.places import Places
from refinepoi.reward.spec import RewardSpec, RewardWeights

# Two 2x3 grids. Node = 3 * row + column.   place:      0       1       2       3       4
IDS = SemanticIds(np.array([[0, 0], [0, 1], [1, 0], [5, 5], [0, 5]], np.int32), ((2, 3), (2, 3)), "nearest_free")
A, B, C, D, E = IDS.texts
OUTSIDE = "<A_1,0><B_0,0>"
PAPER = option("reward", "paper")
SPEC = RewardSpec(**PAPER)
NAMES = tuple(RewardWeights.model_fields)
# Places 0 and 3 are cafes, 1 is a bar, 2 and 4 are of no known category; on the equator, whole degrees apart.
PLACES = Places(
    pl.DataFrame(
        {
            "category": ["cafe", "bar", "unknown", "cafe", "unknown"],
            "latitude": [0.0] * 5,
            "longitude": [0.0, 1.0, 2.0, 3.0, 180.0],
        }
    ),
    np.array([8, 4, 2, 2, 0]),
)


def earn(name: str, text: str, target: int = 0, k: int = 3, spec: RewardSpec = SPEC, reasoning: bool = False) -> float:
    return float(Rewards(spec, IDS, PLACES, k, reasoning).term(name, Answers.read([text], IDS), np.array([target]))[0])


@pytest.mark.parametrize(
    ("text", "expected", "with_reasoning"),
    [
        (A + B, 1.0, 0.5),
        (f" {A} {B}\n", 1.0, 0.5),
        (f"<think>the usual</think>{A}", 1.0, 1.0),
        (f"<think> </think>{A}", 1.0, 0.5),  # an empty block is no reasoning
        (f"next: {A}", 0.5, 0.5),
        (f"{A}<B_0,0>", 0.5, 0.5),
        (A + OUTSIDE, 1.0, 0.5),  # valid syntax, and one place is there
        (OUTSIDE, 0.0, 0.0),
        (A + A + A, 0.0, 0.0),
        ("", 0.0, 0.0),
        ("go to the museum", 0.0, 0.0),
    ],
)
def test_format(text: str, expected: float, with_reasoning: float) -> None:
    assert earn("format", text) == expected
    assert earn("format", text, reasoning=True) == with_reasoning


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        (A + B + C, 0, 1.0),
        (B + A + C, 0, 1 / 2),
        (B + C + A, 0, 1 / 3),
        (B + C + D + A, 0, 0.0),  # beyond k = 3
        (B + C, 0, 0.0),
        (OUTSIDE + A, 0, 1 / 2),  # an invalid entry keeps its place
        (B + B + A, 0, 1 / 3),  # so does a repeated one
        (B + A + A, 0, 1 / 2),
        (A + A + A, 0, 0.0),  # one place again and again
        (A, 0, 1.0),
        ("", 0, 0.0),
    ],
)
def test_rank(text: str, target: int, expected: float) -> None:
    assert earn("rank", text, target) == pytest.approx(expected)


def kernel(squared: float) -> float:
    return math.exp(-squared / 2)


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        (A, 0, 1.0),
        (B, 0, (1 + kernel(1)) / 2),  # same first cell, second one column away
        (E, 0, (1 + kernel(1 + 4)) / 2),  # same first cell, second a row and two columns away
        (C, 0, kernel(1) / 2),  # neighbouring first cell: the second level does not count, though equal
        (D, 0, kernel(1 + 4) / 2),
        (C + B, 0, (1 + kernel(1)) / 2 / math.log2(3)),  # the better second one, discounted
        (B + A, 0, max((1 + kernel(1)) / 2, 1 / math.log2(3))),
        (D + C + B + A, 0, (1 + kernel(1)) / 2 / 2),  # the target lies beyond k = 3; rank 3 is discounted by log2(4)
        (OUTSIDE + A, 0, 1 / math.log2(3)),
        (A + A, 0, 0.0),
        (OUTSIDE, 0, 0.0),
        ("", 0, 0.0),
    ],
)
def test_soft(text: str, target: int, expected: float) -> None:
    assert earn("soft", text, target) == pytest.approx(expected)


def test_soft_width_and_hit_variant() -> None:
    wide = RewardSpec(**{**PAPER, "kernel_width": 2.0})
    assert earn("soft", C, spec=wide) == pytest.approx(math.exp(-1 / 8) / 2)
    hit = RewardSpec(**{**PAPER, "soft": "hit"})
    assert [earn("soft", text, spec=hit) for text in (A, B + C + A, B + C + D + A, B, "", A + A)] == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "distinct", "length"),
    [
        (A + B + C, 1.0, 1.0),
        (A, 1.0, 1 / 3),
        (A + B, 1.0, 2 / 3),
        (A + B + C + D, 1.0, 2 / 3),  # one too many
        (A + B + C + D + E, 1.0, 1 / 3),
        (A + B + B, 2 / 3, 2 / 3),  # a repetition is no further place
        (A + A + B, 2 / 3, 2 / 3),
        (A + B + OUTSIDE, 2 / 3, 2 / 3),  # nor is an invention
        (A + A + A, 0.0, 0.0),
        (OUTSIDE * 3, 0.0, 0.0),
        ((A + B + C) * 2, 1 / 2, 0.0),  # 6 entries for 3
        ((A + B) * 9, 1 / 9, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_distinct_and_length(text: str, distinct: float, length: float) -> None:
    assert earn("distinct", text) == pytest.approx(distinct)
    assert earn("length", text) == pytest.approx(length)


DEGREE = 2 * math.pi * 6371.0088 / 360  # kilometres on the equator


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        (A, 0, 1.0),
        (B, 0, math.exp(-DEGREE / 100)),
        (D, 0, math.exp(-3 * DEGREE / 100)),
        (E, 0, math.exp(-180 * DEGREE / 100)),  # the other side of the Earth
        (C + B, 0, max(math.exp(-2 * DEGREE / 100), math.exp(-DEGREE / 100) / math.log2(3))),
        (D + D + C + A, 0, math.exp(-2 * DEGREE / 100) / 2),  # the target is beyond k = 3; rank 3 / log2(4)
        (OUTSIDE + A, 0, 1 / math.log2(3)),
        (A + A, 0, 0.0),
        (OUTSIDE, 0, 0.0),
        ("", 0, 0.0),
    ],
)
def test_distance(text: str, target: int, expected: float) -> None:
    spec = RewardSpec(**{**PAPER, "distance_km": 100.0})
    assert earn("distance", text, target, spec=spec) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        (D, 0, 1.0),  # another cafe
        (B + D, 0, 1 / math.log2(3)),
        (B + C + D, 0, 1 / 2),
        (B + C + B + D, 0, 0.0),  # beyond k = 3
        (C, 4, 0.0),  # both unknown: not the same
        (E, 4, 1.0),  # the target itself
        (OUTSIDE + A, 3, 1 / math.log2(3)),
        (A + A, 3, 0.0),
        ("", 0, 0.0),
    ],
)
def test_category(text: str, target: int, expected: float) -> None:
    assert earn("category", text, target) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (A, math.log(2) / math.log(16) / 3),  # 8 of 16 visits: 1 bit of 4, in one slot of three
        (A + B + C, (1 + 2 + 3) / 4 / 3),
        (E + D + C, (4 + 3 + 3) / 4 / 3),  # a place never visited counts as visited once
        (A + B + A, (1 + 2) / 4 / 3),  # a repetition is worth nothing
        (A + OUTSIDE + B, (1 + 2) / 4 / 3),
        (A + B + C + E, (1 + 2 + 3) / 4 / 3),  # nor is what is beyond k = 3
        (E + E, 0.0),
        (OUTSIDE, 0.0),
        ("", 0.0),
    ],
)
def test_novelty(text: str, expected: float) -> None:
    assert earn("novelty", text) == pytest.approx(expected)


COST = [1.0, 1 / math.log2(3), 1 / 2]  # of the ranks of three


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (A, 1.0),
        (A + B + C, 1.0),
        (B + A + C, 1 - COST[0] / sum(COST)),
        (B + A, 1 - COST[0] / sum(COST)),  # what stands behind the target costs nothing
        (B + C + A, 1 - (COST[0] + COST[1]) / sum(COST)),
        (OUTSIDE + A, 1 - COST[0] / sum(COST)),  # an invalid entry is a wrong one
        (B + B + A, 1 - (COST[0] + COST[1]) / sum(COST)),  # a repeated one, too
        (B + C + D, 0.0),
        (B + C + D + A, 0.0),  # beyond k = 3
        (B, 0.0),
        (A + A, 0.0),
        ("", 0.0),
    ],
)
def test_penalty(text: str, expected: float) -> None:
    assert earn("penalty", text) == pytest.approx(expected)


def test_places_know_training_only() -> None:
    checkins = {"user": [0, 0, 0], "poi": [0, 0, 1], "utc": [1, 2, 3], "local": [1, 2, 3], "trajectory": [0, 0, 1]}
    pois = {
        "poi_id": ["a", "b"], "category_id": ["", ""], "category": ["cafe", "cafe"], "latitude": [0.0, 0.0],
        "longitude": [0.0, 1.0], "in_train": [True, True],
    }  # fmt: skip
    queries = {"split": [0], "user": [0], "trajectory": [0], "row": [0], "target": [0]}
    world = Trajectories(
        pl.DataFrame({**checkins, "split": [0, 2, 1]}, schema=trajectories.CHECKINS),
        pl.DataFrame(pois, schema=trajectories.POIS),
        pl.DataFrame({"user_id": ["u"], "activity": [0]}, schema={"user_id": pl.String, "activity": pl.Int8}),
        pl.DataFrame(queries, schema=trajectories.QUERIES),
        {},
    )
    assert Places.of(world).visits.tolist() == [1, 0]


def test_a_level_that_numbers_collisions_has_no_topology() -> None:
    ids = SemanticIds(np.array([[0, 0], [0, 1], [1, 0]], np.int32), ((2, 3), (1, 2)), "suffix")
    nearness = terms.Nearness(ids, 1.0)
    assert nearness(np.array([0, 1, 2]), np.array(0)).tolist() == pytest.approx([1.0, 0.5, kernel(1) / 2])


def test_places_that_share_an_id_are_one() -> None:
    ids = SemanticIds(np.array([[0, 0], [0, 1], [0, 0]], np.int32), ((2, 3), (2, 3)), "none")
    rewards = Rewards(SPEC, ids, PLACES, 2, False)
    answers = Answers.read([ids.texts[1] + ids.texts[2]], ids)
    assert rewards.term("rank", answers, np.array([2])).tolist() == [0.5]
    assert rewards.term("soft", answers, np.array([2])).tolist() == pytest.approx(
        [max((1 + kernel(1)) / 2, 1 / math.log2(3))]
    )


TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from([A, B, C, D, E, OUTSIDE, "<A_0,0>", "<B_9,9>", " ", "x", "<think>", "</think>"])).map(
        "".join
    ),
)


@given(st.lists(TEXTS, min_size=1, max_size=8), st.integers(0, 4), st.integers(1, 6), st.booleans())
@settings(max_examples=150, deadline=None)
def test_bounds_for_any_text(texts: list[str], target: int, k: int, reasoning: bool) -> None:
    rewards, answers = Rewards(SPEC, IDS, PLACES, k, reasoning), Answers.read(texts, IDS)
    targets = np.full(len(texts), target)
    values = {name: rewards.term(name, answers, targets) for name in NAMES}
    for row in range(len(texts)):
        places = [item for item in answers.items[row].tolist() if item >= 0]
        worthless = len(set(places)) == 0 or (len(set(places)) == 1 and len(places) > 1)
        for name in NAMES:
            assert 0.0 <= values[name][row] <= 1.0
            assert not (worthless and values[name][row])
        alone = Answers.read([texts[row]], IDS)  # neighbours in the batch change nothing
        assert [rewards.term(n, alone, targets[:1])[0] for n in NAMES] == [values[n][row] for n in NAMES]


@given(st.permutations(range(5)), st.integers(0, 4), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_moving_the_target_up_never_costs(order: list[int], target: int, k: int) -> None:
    def total(items: list[int]) -> float:
        text = "".join(IDS.texts[p] for p in items[:k])
        return sum(earn(name, text, target, k) for name in ("rank", "soft", "distance", "category", "penalty"))

    place = order.index(target)
    assert total([target, *order[:place], *order[place + 1 :]]) >= total(order) - 1e-12
