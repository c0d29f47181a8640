from typing import Any

import numpy as np
import polars as pl
import pytest
from prompt_specs import SPECS, write

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import POIS
from refinepoi.prompt.alignment import alignment_pairs
from refinepoi.prompt.area import centre, offset, where
from refinepoi.prompt.parse import parse_answer

DEGREE = 111.195  # kilometres of a degree of latitude


def catalogue(north: list[float], categories: list[str], in_train: list[bool] | None = None) -> pl.DataFrame:
    """Places on a line to the north, kilometres from 40 degrees."""
    n = len(north)
    return pl.DataFrame(
        {"poi_id": [str(i) for i in range(n)], "category_id": categories, "category": categories,
         "latitude": [40 + k / DEGREE for k in north], "longitude": [-74.0] * n, "in_train": in_train or [True] * n},
        schema=POIS,
    )  # fmt: skip


def ids(n: int) -> SemanticIds:
    return SemanticIds(np.stack([np.zeros(n), np.arange(n)], 1).astype(np.int32), ((1, 1), (1, n)), "none")


def test_the_three_tasks() -> None:
    table = alignment_pairs(catalogue([0, 3.2, -7], ["Bar", "<A_0,0> Café", "Bar"]), ids(3))
    assert table.rows() == [
        ("place", "Which place is <A_0,0><B_0,0>?", "Bar, the centre of the city"),
        ("place", "Which place is <A_0,0><B_0,1>?", "(A_0,0) Café, 3.2 km north of the centre"),
        ("place", "Which place is <A_0,0><B_0,2>?", "Bar, 7.0 km south of the centre"),
        ("find", "Which place is this: Bar, the centre of the city?", "<A_0,0><B_0,0>"),
        ("find", "Which place is this: (A_0,0) Café, 3.2 km north of the centre?", "<A_0,0><B_0,1>"),
        ("find", "Which place is this: Bar, 7.0 km south of the centre?", "<A_0,0><B_0,2>"),
        ("near", "Which places are nearest to <A_0,0><B_0,0>?", "<A_0,0><B_0,1><A_0,0><B_0,2>"),
        ("near", "Which places are nearest to <A_0,0><B_0,1>?", "<A_0,0><B_0,0><A_0,0><B_0,2>"),
        ("near", "Which places are nearest to <A_0,0><B_0,2>?", "<A_0,0><B_0,0><A_0,0><B_0,1>"),
    ]


def test_places_outside_training_are_left_out() -> None:
    table = alignment_pairs(catalogue([0, 1, 900], ["Bar"] * 3, [True, True, False]), ids(3))
    assert table.height == 6 and not table["prompt"].str.contains("<B_0,2>", literal=True).any()
    assert not table["answer"].str.contains("<B_0,2>", literal=True).any()
    alone = alignment_pairs(catalogue([0], ["Bar"]), ids(1))
    assert alone["task"].to_list() == ["place", "find"]


def test_neighbours_are_the_nearest_five_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    north = rng.uniform(-9, 9, 40).tolist()
    near = alignment_pairs(catalogue(north, ["Bar"] * 40), ids(40)).filter(pl.col("task") == "near")
    for own, answer in enumerate(near["answer"]):
        expected = sorted((k for k in range(40) if k != own), key=lambda k: abs(north[k] - north[own]))[:5]
        assert list(parse_answer(answer, ids(40)).items) == expected


def test_neighbours_are_near_in_both_directions() -> None:
    """One kilometre to the north is nearer than three to the east."""
    pois = catalogue([0, 1, 0], ["Bar"] * 3).with_columns(longitude=pl.Series([-74.0, -74.0, -74 + 3 / 85.18]))
    near = alignment_pairs(pois, ids(3)).filter(pl.col("task") == "near")["answer"]
    assert list(parse_answer(near[0], ids(3)).items) == [1, 2]


def test_an_id_of_several_places_is_named_once_and_not_as_its_own_neighbour() -> None:
    shared = SemanticIds(np.array([[0, 0], [0, 1], [0, 1], [0, 0]], np.int32), ((1, 1), (1, 2)), "none")
    table = alignment_pairs(catalogue([0, 1, 2, 3], ["Bar"] * 4), shared).filter(pl.col("task") == "near")
    assert table["answer"].to_list() == [shared.texts[other] for other in (1, 0, 0, 1)]
    one = SemanticIds(np.zeros((3, 2), np.int32), ((1, 1), (1, 1)), "none")
    assert "near" not in alignment_pairs(catalogue([0, 1, 2], ["Bar"] * 3), one)["task"]


@pytest.mark.parametrize(
    ("north", "east", "text"),
    [(0.0, 0.4, "the centre of the city"), (0.0, 2.0, "2.0 km east"), (-3.0, -3.0, "4.2 km south-west"),
     (5.0, -0.1, "5.0 km north"), (0.2, -7.0, "7.0 km west"), (-1.0, 1.1, "1.5 km south-east")],
)  # fmt: skip
def test_areas_in_words(north: float, east: float, text: str) -> None:
    assert where(north, east).removesuffix(" of the centre") == text


def test_offsets_are_kilometres_also_over_the_date_line() -> None:
    north, east = offset(np.array([60.1, 60.0]), np.array([179.95, -179.95]), (60.0, 179.95))
    assert north == pytest.approx([0.1 * DEGREE, 0.0], abs=1e-2)
    assert east == pytest.approx([0.0, 0.1 * DEGREE / 2], abs=1e-2)
    assert centre(catalogue([0, 1, 90], ["Bar"] * 3, [True, True, False])) == pytest.approx((40 + 0.5 / DEGREE, -74.0))


def test_questions_bring_their_tasks_and_their_words(world: Any) -> None:
    prompts = write(SPECS["question"], world)
    assert prompts.alignment["task"].unique(maintain_order=True).to_list() == ["place", "find", "near"]
    assert {"Which", "place", "nearest", "centre", "Café,"} <= set(prompts.words)
    assert write(SPECS["evidence"], world).alignment.height == 0
