import numpy as np
import torch
from torch.nn import functional

from refinepoi.encoder.pairs import Pairs
from refinepoi.encoder.quality import quality_of


def planted(rows: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vectors in three tight clusters = categories; raw features are noise; places 1 km apart on a meridian."""
    draw = np.random.default_rng(0)
    groups = np.arange(rows) % 3
    vectors = np.eye(3)[groups] + draw.normal(0, 0.05, (rows, 3))
    vectors = functional.normalize(torch.from_numpy(vectors), dim=1).float().numpy()
    places = np.stack([np.arange(rows) / 111.195, np.zeros(rows)], axis=1)
    return vectors, draw.normal(size=(rows, 5)).astype(np.float32), groups.astype(np.int64), places


def table(*rows: tuple[int, int]) -> Pairs:
    first, second = (np.array(side, dtype=np.int64) for side in zip(*rows, strict=True))
    return Pairs(first, second, np.ones_like(first))


def test_planted_clusters_are_pure_and_noise_is_chance() -> None:
    vectors, noise, groups, places = planted()
    quality = quality_of(vectors, noise, groups, places, table((0, 1)), table((0, 3), (4, 7)), k=10)
    assert quality["category_purity@10"] == 1
    np.testing.assert_allclose(quality["chance_category_purity@10"], 19 / 59)
    assert abs(quality["raw_category_purity@10"] - 19 / 59) < 0.08
    assert quality["alignment"] < 0.1
    assert all(type(value) is float for value in quality.values())


def test_rows_without_a_category_are_no_queries_and_agree_with_nothing() -> None:
    vectors, noise, groups, places = planted()
    groups[groups == 2] = -1
    quality = quality_of(vectors, noise, groups, places, table((0, 1)), table((0, 3)), k=10)
    assert quality["category_purity@10"] == 1
    np.testing.assert_allclose(quality["chance_category_purity@10"], (2 * 20 * 19) / (40 * 59))


def test_recall_looks_past_known_partners() -> None:
    """On a line: 0's nearest are 1, 2, 3; with 1 known from training, partner 3 is second among the rest."""
    angle = np.radians([0, 1, 2.5, 4.5, 80, 120, 150, 179])
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    rest = (vectors, np.zeros(8, np.int64), np.zeros((8, 2)))
    for train, k, expected in ((table((4, 5)), 2, 0.0), (table((0, 1)), 2, 0.5), (table((0, 1), (3, 2)), 2, 1.0)):
        assert quality_of(vectors, *rest, train, table((0, 3)), k=k)[f"covisit_recall@{k}"] == expected


def test_kilometres_to_neighbours() -> None:
    _, _, groups, places = planted()
    angle = np.arange(60) / 100
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    quality = quality_of(vectors, vectors, groups, places, table((0, 1)), table((0, 3)), k=2)
    np.testing.assert_allclose(quality["neighbour_kilometres@2"], 1.0, rtol=1e-3)  # one POI to each side
