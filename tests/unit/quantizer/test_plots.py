import numpy as np
import polars as pl

from refinepoi.quantizer.collisions import GridSpace, Resolved
from refinepoi.quantizer.colours import grid_colours
from refinepoi.quantizer.fit import Quantized
from refinepoi.quantizer.hierarchy import Codebooks
from refinepoi.quantizer.plots import draw_all, u_matrix


def picture_input(rows=40, books=True):
    draw = np.random.default_rng(0)
    grids = ((3, 4), (2, 2))
    codes = np.column_stack([draw.integers(0, 12, rows), draw.integers(0, 4, rows)]).astype(np.int32)
    x = draw.standard_normal((rows, 3)).astype(np.float32)
    weights = tuple(draw.standard_normal((h * w, 3)).astype(np.float32) for h, w in grids)
    pois = pl.DataFrame(
        {
            "longitude": -74 + 0.01 * draw.standard_normal(rows),
            "latitude": 40.7 + 0.01 * draw.standard_normal(rows),
            "category": [f"kind $ {n % 5} < & \\alpha" for n in range(rows)],  # must not be read as mathematics
        }
    )
    fitted = Quantized(codes, grids, Codebooks(grids, weights) if books else None, GridSpace(codes, grids))
    return x, pois, fitted, Resolved(codes, np.zeros(rows, bool), grids)


def test_pictures_are_drawn_and_equal_byte_for_byte(tmp_path):
    for folder in ("a", "b"):
        draw_all(tmp_path / folder, *picture_input())
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["city_map.png", "level_1.png", "level_2.png"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert (tmp_path / "a" / name).read_bytes().startswith(b"\x89PNG")


def test_one_poi_and_codes_without_vectors_can_be_drawn(tmp_path):
    draw_all(tmp_path, *picture_input(rows=1, books=False))
    assert (tmp_path / "city_map.png").stat().st_size > 5000


def test_u_matrix_by_hand():
    weights = np.array([[0.0], [1.0], [3.0], [7.0]], np.float32)
    np.testing.assert_allclose(u_matrix(weights, 1, 4), [[1, 1.5, 3, 4]])
    # 2 x 2: every node has three neighbours, diagonals too
    np.testing.assert_allclose(u_matrix(weights, 2, 2), np.array([[11, 9], [9, 17]]) / 3)
    assert u_matrix(weights[:1], 1, 1).tolist() == [[0]]


def test_neighbouring_cells_have_similar_colours_and_corners_differ():
    colours = grid_colours(16, 16)
    assert colours.min() >= 0
    assert colours.max() <= 1
    step = max(np.abs(np.diff(colours, axis=0)).max(), np.abs(np.diff(colours, axis=1)).max())
    corners = colours[[0, 0, -1, -1], [0, -1, 0, -1]]
    apart = min(np.abs(a - b).max() for i, a in enumerate(corners) for b in corners[:i])
    assert step < 0.15 < 0.35 < apart
    assert len(np.unique(colours.round(6).reshape(-1, 3), axis=0)) == 256
