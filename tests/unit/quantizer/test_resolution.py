"""Maps on other grids: what is linear stays so, corners stay corners, a torus has no seam."""

import numpy as np
import pytest

from refinepoi.quantizer.resolution import resample


@pytest.mark.parametrize(("shape", "to"), [((3, 4), (6, 8)), ((2, 2), (5, 9)), ((6, 8), (3, 4)), ((4, 4), (4, 4))])
def test_a_plane_stays_a_plane(shape, to):
    def plane(h, w):
        rows, columns = np.meshgrid(np.linspace(0, 1, h), np.linspace(0, 1, w), indexing="ij")
        return np.stack([2 * rows - columns + 3, columns], -1).reshape(h * w, 2)

    np.testing.assert_allclose(resample(plane(*shape), shape, to, "rectangular"), plane(*to), atol=1e-12)


def test_a_torus_is_interpolated_across_its_edge():
    ring = np.array([[0.0], [4], [8], [4]])
    assert resample(ring, (1, 4), (1, 8), "toroidal").ravel().tolist() == [0, 2, 4, 6, 8, 6, 4, 2]


def test_one_cell_spreads_and_a_line_stays_a_line():
    assert resample(np.array([[7.0]]), (1, 1), (2, 3), "rectangular").ravel().tolist() == [7] * 6
    assert resample(np.array([[0.0], [1]]), (1, 2), (1, 3), "rectangular").ravel().tolist() == [0, 0.5, 1]
    assert resample(np.array([[0.0], [4]]), (2, 1), (1, 1), "hexagonal").ravel().tolist() == [2]
