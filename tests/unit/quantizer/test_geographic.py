import numpy as np
import pytest

from refinepoi.quantizer.geographic import GeographicQuantizer
from refinepoi.quantizer.places import Places


def at(latitude, longitude):
    count = len(latitude)
    vectors = np.arange(count, dtype=np.float32)[:, None]
    names = np.full(count, "bar")
    return Places(vectors, np.array(latitude, float), np.array(longitude, float), names, np.ones(count, bool))


CORNERS = at([41, 41, 40, 40], [-74, -73, -74, -73])  # north-west, north-east, south-west, south-east


def test_rows_run_from_north_to_south_and_columns_from_west_to_east():
    quantizer = GeographicQuantizer.fit(CORNERS, ((2, 2), (2, 3)), "equal")
    assert quantizer.encode(CORNERS).tolist() == [[0, 0], [1, 2], [2, 3], [3, 5]]


def test_cells_within_cells_by_hand():
    quantizer = GeographicQuantizer.fit(CORNERS, ((2, 2), (2, 2)), "equal")
    # 0.3 of the way south, 0.8 of the way east: cell (0, 1); within it 0.6 south and 0.6 east: cell (1, 1)
    assert quantizer.encode(at([40.7], [-73.2])).tolist() == [[1, 3]]
    assert quantizer.encode(at([45.0], [-90.0])).tolist() == [[0, 0]]  # outside: the nearest edge


def test_quantiles_fill_cells_evenly():
    draw = np.random.default_rng(0)
    crowded = at(40 + draw.exponential(0.05, 4000), -74 + draw.exponential(0.05, 4000))
    fullest = {}
    for cells in ("quantiles", "equal"):
        codes = GeographicQuantizer.fit(crowded, ((4, 4), (2, 2)), cells).encode(crowded)
        fullest[cells] = np.bincount(codes[:, 0] * 4 + codes[:, 1], minlength=64).max()
    assert fullest["quantiles"] < 2 * 4000 / 64 < 10 * 4000 / 64 < fullest["equal"]


def test_distances_are_squared_kilometres_to_the_middle_of_cells():
    quantizer = GeographicQuantizer.fit(CORNERS, ((2, 1), (1, 2)), "equal")
    here = at([40.75], [-73.5])
    codes, rows = quantizer.encode(here), np.array([0])
    first = quantizer.space(here).distances(codes, rows, 0)[0]
    assert first == pytest.approx([0, (0.5 * 111.2) ** 2], abs=1e-9)  # half a degree to the southern middle
    second = quantizer.space(here).distances(np.array([[0, 0]], np.int32), rows, 1)[0]
    assert second == pytest.approx([(0.25 * 111.2 * np.cos(np.deg2rad(40.75))) ** 2] * 2)


def test_after_a_move_the_nearest_part_of_the_new_cell_is_taken():
    quantizer = GeographicQuantizer.fit(CORNERS, ((1, 2), (3, 3)), "equal")
    here = at([40.5], [-73.9])  # in the western half, middle row
    codes = quantizer.encode(here)
    assert codes.tolist() == [[0, 3]]
    moved = np.array([[1, -1]], np.int32)
    assert quantizer.space(here).below(moved, np.array([0]), 0).tolist() == [[3]]  # western edge of the eastern half


def test_decoding_is_the_mean_of_the_places_in_the_cell():
    quantizer = GeographicQuantizer.fit(CORNERS, ((2, 1), (1, 2)), "equal")
    codes = quantizer.encode(CORNERS)
    assert quantizer.decode(codes, 1)[:, 0].tolist() == [0.5, 0.5, 2.5, 2.5]
    assert quantizer.decode(codes)[:, 0].tolist() == [0, 1, 2, 3]
