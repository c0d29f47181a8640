from dataclasses import replace

import numpy as np

from refinepoi.quantizer.places import Places
from refinepoi.quantizer.prefix_means import PrefixMeans
from refinepoi.quantizer.random_codes import draw_codes

GRIDS = ((2, 4), (1, 5))


def places(rows=8000):
    draw = np.random.default_rng(0)
    spot = draw.random(rows)
    vectors = draw.standard_normal((rows, 2)).astype(np.float32)
    return Places(vectors, spot, spot, np.full(rows, "bar"), np.ones(rows, bool))


def test_codes_are_uniform_and_levels_and_seeds_independent():
    those = places()
    codes = draw_codes(those, GRIDS, 0)
    for level, cells in enumerate((8, 5)):
        counts = np.bincount(codes[:, level], minlength=cells)
        assert (np.square(counts - 8000 / cells) / (8000 / cells)).sum() < 30  # chi squared, 7 degrees at most
    other = draw_codes(those, GRIDS, 1)
    assert abs((codes[:, 0] == other[:, 0]).mean() - 1 / 8) < 0.02
    same = draw_codes(those, ((2, 4), (2, 4)), 0)
    assert abs((same[:, 0] == same[:, 1]).mean() - 1 / 8) < 0.02


def test_equal_places_draw_equal_codes_and_any_column_changes_them():
    those = places(300)
    codes = draw_codes(those, GRIDS, 0)
    assert (draw_codes(those, GRIDS, 0) == codes).all()
    for changed in (
        replace(those, vectors=those.vectors + 1),
        replace(those, longitude=those.longitude + 1),
        replace(those, category=np.full(300, "cafe")),
    ):
        assert (draw_codes(changed, GRIDS, 0) != codes).any(1).mean() > 0.9


def test_prefix_means_by_hand():
    codes = np.array([[0, 0], [0, 1], [1, 0]], np.int32)
    means = PrefixMeans.of(((1, 3), (1, 2)), codes, np.array([[0.0], [2.0], [10.0]], np.float32))
    asked = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 1]], np.int32)
    assert means.decode(asked)[:, 0].tolist() == [0, 2, 10, 10, 4]  # nobody under (1, 1): that of 1; under 2: of all
    assert means.decode(asked, 1)[:, 0].tolist() == [1, 1, 10, 10, 4]
    assert means.decode(asked, 0)[:, 0].tolist() == [4] * 5
