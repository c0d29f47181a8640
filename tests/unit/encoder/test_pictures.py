from pathlib import Path

import numpy as np

from refinepoi.encoder.pictures import draw_embedding_map, principal


def test_principal_directions_are_those_of_the_svd_with_fixed_signs() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32) * [6, 5, 4, 1, 1, 1]
    coordinates = principal(vectors.astype(np.float32), 3)
    centred = vectors - vectors.mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(coordinates), np.abs(left * values)[:, :3], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(principal(-vectors.astype(np.float32), 3), -coordinates, atol=1e-4)


def test_two_dimensions_are_padded_to_three() -> None:
    assert not principal(np.eye(4, 2, dtype=np.float32), 3)[:, 2].any()


def test_picture_repeats_itself_and_takes_any_name(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    vectors, places = draw.normal(size=(30, 4)).astype(np.float32), draw.normal(size=(30, 2))
    groups = np.arange(30) % 4 - 1
    for name in ("a", "b"):
        draw_embedding_map(vectors, groups, ["$x_", "_hidden", "<b>" * 30], places, tmp_path / name / "map.png")
    assert (tmp_path / "a" / "map.png").read_bytes() == (tmp_path / "b" / "map.png").read_bytes()
    draw_embedding_map(vectors, np.full(30, -1), [], places, tmp_path / "c.png")  # nothing has a category
