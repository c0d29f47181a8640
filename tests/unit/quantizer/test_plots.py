"""The pictures: every number drawn, by hand; that they are drawn for every shape of grid, the same bytes twice."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from refinepoi.quantizer.cells import draw_colours, draw_filled, draw_values, panels, row_and_column, shown_shape
from refinepoi.quantizer.collisions import Resolved
from refinepoi.quantizer.colours import grid_colours
from refinepoi.quantizer.facts import place_facts
from refinepoi.quantizer.hierarchy import Codebooks
from refinepoi.quantizer.lattice import Lattice
from refinepoi.quantizer.level_plots import bucket_sizes, category_map, cell_means, neighbour_pairs, u_matrix
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.plots import city_map, draw_all
from refinepoi.quantizer.residual import ResidualQuantizer

# Simulated colour blindness on linear RGB (Machado, Oliveira and Fernandes, 2009).
BLIND = {
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def picture_input(rows=40, grids=((3, 4), (2, 2)), topology="rectangular"):
    draw = np.random.default_rng(0)
    codes = np.column_stack([draw.integers(0, h * w, rows) for h, w in grids]).astype(np.int32)
    weights = tuple(draw.standard_normal((h * w, 3)).astype(np.float32) for h, w in grids)
    category = np.array([f"kind $ {n % 5} < & \\alpha" for n in range(rows)])  # must not be read as mathematics
    latitude, longitude = 40.7 + 0.01 * draw.standard_normal(rows), -74 + 0.01 * draw.standard_normal(rows)
    pois = pl.DataFrame({"latitude": latitude, "longitude": longitude, "category": category})
    checkins = pl.DataFrame(
        {"poi": draw.integers(0, rows, 50), "split": [0] * 40 + [2] * 10, "local": draw.integers(0, 10**8, 50)},
        schema={"poi": pl.Int32, "split": pl.Int8, "local": pl.Int64},
    )
    x = draw.standard_normal((rows, 3)).astype(np.float32)
    places = Places(x, latitude, longitude, category, np.ones(rows, bool))
    quantizer = ResidualQuantizer(Codebooks(grids, weights), topology)
    visits = SimpleNamespace(pois=pois, checkins=checkins)
    return visits, places, quantizer, codes, Resolved(codes, np.zeros(rows, bool), grids)


def test_pictures_are_drawn_and_equal_byte_for_byte(tmp_path):
    for folder in ("a", "b"):
        draw_all(tmp_path / folder, *picture_input())
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    wanted = ["bucket_map", "category_map", "city_map", "component_planes", "level_1", "level_2"]
    assert names == [f"{name}.png" for name in wanted]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert (tmp_path / "a" / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("rows", "grids", "topology"),
    [
        (1, ((1, 1), (2, 2)), "rectangular"),
        (60, ((4, 5),), "hexagonal"),
        (60, ((1, 50), (3, 3)), "toroidal"),
        (60, ((1, 50),), "hexagonal"),
    ],
)
def test_every_shape_can_be_drawn(tmp_path, rows, grids, topology):
    draw_all(tmp_path, *picture_input(rows, grids, topology))
    assert (tmp_path / "city_map.png").stat().st_size > 5000


def test_u_matrix_by_hand():
    weights = np.array([[0.0], [1.0], [3.0], [7.0]], np.float32)
    np.testing.assert_allclose(u_matrix(weights, Lattice(1, 4)), [1, 1.5, 3, 4])
    np.testing.assert_allclose(u_matrix(weights, Lattice(1, 4, "toroidal")), [4, 1.5, 3, 5.5])
    # 2 x 2: every node has three neighbours, diagonals too; of hexagons the second row is shifted to the right
    np.testing.assert_allclose(u_matrix(weights, Lattice(2, 2)), np.array([11, 9, 9, 17]) / 3)
    np.testing.assert_allclose(u_matrix(weights, Lattice(2, 2, "hexagonal")), [4 / 2, 9 / 3, 9 / 3, 10 / 2])
    assert u_matrix(weights[:1], Lattice(1, 1)).tolist() == [0]


@pytest.mark.parametrize("topology", ["rectangular", "toroidal", "hexagonal"])
def test_neighbour_pairs_are_those_of_the_lattice(topology):
    lattice = Lattice(4, 5, topology)
    a, b = (side.ravel() for side in np.meshgrid(np.arange(20), np.arange(20), indexing="ij"))
    wanted = {(i, j) for i, j, near in zip(a, b, lattice.adjacent(a, b), strict=True) if near and i < j}
    assert {tuple(sorted(pair)) for pair in neighbour_pairs(lattice).tolist()} == wanted


def test_cell_means_leave_out_what_is_not_known():
    means = cell_means(np.array([1.0, 3.0, np.nan, 5.0]), np.array([0, 0, 0, 2]), 4)
    np.testing.assert_array_equal(means, [2, np.nan, 5, np.nan])


def test_bucket_sizes_by_hand():
    assert bucket_sizes(np.array([[0, 1], [0, 1], [0, 2], [0, 1]])).tolist() == [3, 3, 1, 3]


def test_facts_count_training_visits_by_local_time():
    saturday = 2 * 86400  # 1970-01-01 was a Thursday
    checkins = pl.DataFrame(
        {
            "poi": [0, 0, 0, 0, 1, 1],
            "split": [0, 0, 0, 0, 0, 2],
            "local": [saturday + 9 * 3600, 9 * 3600, 18 * 3600, 3 * 3600, saturday + 86400, 0],
        },
        schema={"poi": pl.Int32, "split": pl.Int8, "local": pl.Int64},
    )
    pois = pl.DataFrame({"latitude": [1.0, 2.0, 3.0], "longitude": [4.0, 5.0, 6.0], "category": ["b", "b", "a$"]})
    facts = place_facts(pois, checkins, np.arange(6, dtype=np.float32).reshape(3, 2))
    np.testing.assert_allclose(facts["visits, log10"], [np.log10(4), 0, np.nan])
    np.testing.assert_allclose(facts["share of visits at 5-11 h"], [0.5, 0, np.nan])
    np.testing.assert_allclose(facts["share of visits at 17-23 h"], [0.25, 0, np.nan])
    np.testing.assert_allclose(facts["share of visits on weekends"], [0.25, 1, np.nan])
    np.testing.assert_allclose(facts["share of b"], [1, 1, 0])
    np.testing.assert_allclose(facts[r"share of a\$"], [0, 0, 1])
    np.testing.assert_allclose(facts["embedding, dimension 2"], [1, 3, 5])


def test_the_colour_of_a_category_is_as_strong_as_its_cell_is_pure():
    codes = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    figure = category_map(Lattice(1, 3), codes, np.array(["a"] * 4 + ["a", "a", "b", "c"]))
    pure, mixed, empty = figure.axes[0].images[0].get_array()[0, :, :3]
    np.testing.assert_allclose(pure, np.array([0x00, 0x72, 0xB2]) / 255)
    strength = 0.12 + 0.88 * 0.5
    np.testing.assert_allclose(mixed, strength * pure + 1 - strength)
    assert np.ptp(empty) < 0.02
    assert figure.legends[0].get_texts()[0].get_text() == "a (2 cells)"


def test_the_legend_of_categories_lies_within_the_picture():
    names = np.array([f"A category of some thirty letters {n}"[-28:] for n in range(8)])
    figure = category_map(Lattice(2, 4), np.arange(8), names)
    FigureCanvasAgg(figure).draw()
    legend, (axes,) = figure.legends[0], figure.axes
    assert legend.get_texts()[0].get_text().endswith("(1 cell)")
    assert figure.bbox.x0 <= legend.get_window_extent().x0 and legend.get_window_extent().x1 <= figure.bbox.x1
    assert axes.get_tightbbox().x1 <= legend.get_window_extent().x0


@pytest.mark.parametrize(
    ("lattice", "rows", "columns"),
    [
        (Lattice(1, 3), ["0"], ["0", "1", "2"]),
        (Lattice(7, 4, "hexagonal"), list("0123456"), list("0123")),
        (Lattice(20, 2), ["0", "3", "6", "9", "12", "15", "18"], ["0", "1"]),
    ],
)
def test_rows_and_columns_are_named_by_whole_numbers_that_exist(lattice, rows, columns):
    _, (axes,) = panels(1, 1, "")
    draw_colours(axes, lattice, np.ones((lattice.nodes, 4)))
    row_and_column(axes, lattice)
    assert [label.get_text() for label in axes.get_yticklabels()] == rows
    assert [label.get_text() for label in axes.get_xticklabels()] == columns


def test_names_of_regions_follow_a_folded_line_not_the_cells_above_and_below():
    """60 cells in rows of 8: 7 and 8 are neighbours though the fold parts them; 36, 44, 52 only stand in a column."""
    codes = np.array([7, 8, 36, 44, 52] * 4 + list(range(60)) * 2)
    categories = ["a"] * 20 + ["c"] * 120
    figure = city_map(np.zeros((len(codes), 2)), codes, Lattice(1, 60), categories)
    (name,) = [text for text in figure.axes[1].texts if text.get_text() == "a"]
    assert name.get_position()[1] in (0, 1)


def test_values_are_drawn_where_they_stand():
    _, (axes,) = panels(1, 1, "")
    scale = draw_values(axes, Lattice(2, 2), np.array([4.0, 5.0, np.nan, 6.0]), "viridis")
    assert (scale.norm.vmin, scale.norm.vmax) == (4, 6)  # not from zero
    shown = axes.images[0].get_array()
    np.testing.assert_allclose(shown[0, 1], scale.to_rgba(5.0))
    np.testing.assert_allclose(shown[1, 1], scale.to_rgba(6.0))
    assert np.ptp(shown[1, 0, :3]) < 0.05  # grey: there is no value


def test_long_lines_are_folded_and_hexagons_stand_in_shifted_rows():
    assert shown_shape(Lattice(1, 50)) == (7, 8)
    assert shown_shape(Lattice(1, 24)) == (1, 24)
    _, (axes,) = panels(1, 1, "")
    draw_colours(axes, Lattice(2, 2, "hexagonal"), np.ones((4, 4)))
    (cells,) = axes.collections
    middles = [path.vertices[:6].mean(0).round(6).tolist() for path in cells.get_paths()]
    assert [x for x, _ in middles] == [0, 1, 0.5, 1.5]
    assert middles[2][1] == pytest.approx(3**0.5 / 2)


def test_filled_area_is_the_share_of_places():
    _, (axes,) = panels(1, 1, "")
    draw_filled(axes, Lattice(1, 3), grid_colours(1, 3).reshape(-1, 3), np.array([1.0, 0.25, 0.0]))
    frame, filled = axes.collections
    sides = [np.ptp(path.vertices[:4, 0]) for path in filled.get_paths()]
    assert len(frame.get_paths()) == 3
    np.testing.assert_allclose(sides, [0.96, 0.48])


def test_neighbouring_cells_have_similar_colours_and_corners_differ():
    colours = grid_colours(16, 16)
    assert colours.min() >= 0
    assert colours.max() <= 1
    step = max(np.abs(np.diff(colours, axis=0)).max(), np.abs(np.diff(colours, axis=1)).max())
    corners = colours[[0, 0, -1, -1], [0, -1, 0, -1]]
    apart = min(np.abs(a - b).max() for i, a in enumerate(corners) for b in corners[:i])
    assert step < 0.15 < 0.35 < apart
    assert len(np.unique(colours.round(6).reshape(-1, 3), axis=0)) == 256


@pytest.mark.parametrize("eyes", [None, *BLIND])
def test_cells_half_a_grid_apart_look_different_to_all_eyes(eyes):
    colours = grid_colours(16, 16).reshape(-1, 3)
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = oklab(np.clip(linear @ np.array(BLIND[eyes]).T, 0, 1) if eyes else linear)
    place = np.stack(np.divmod(np.arange(256), 16), 1)
    far = np.abs(place[:, None] - place[None]).max(2) >= 8
    gaps = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    assert gaps[far].min() > 0.08  # 0.02 can just be told apart side by side


def oklab(linear):
    lms = np.array(
        [[0.4122215, 0.5363325, 0.051446], [0.2119035, 0.6806995, 0.107397], [0.0883025, 0.2817188, 0.6299787]]
    )
    lab = np.array(
        [[0.2104543, 0.7936178, -0.004072], [1.9779985, -2.4285922, 0.4505937], [0.025904, 0.7827718, -0.8086758]]
    )
    return np.cbrt(linear @ lms.T) @ lab.T
