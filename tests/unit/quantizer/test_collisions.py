"""Collision policies: what they promise for any codes, and worked examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinepoi.core.errors import UserError
from refinepoi.quantizer.collisions import GridSpace, VectorSpace, nearest_free, resolve
from refinepoi.quantizer.hierarchy import Codebooks
from refinepoi.quantizer.quality import collision_rate

GRIDS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=1, max_size=3).map(tuple)


@st.composite
def quantized(draw):
    """Vectors with codebooks and codes: as many rows as IDs at most, clustered so that cells are crowded."""
    grids = draw(GRIDS)
    room = int(np.prod([h * w for h, w in grids]))
    rows, seed = draw(st.integers(1, min(room, 60))), draw(st.integers(0, 2**32 - 1))
    noise = np.random.default_rng(seed)
    x = (noise.standard_normal((3, 2))[noise.integers(0, 3, rows)] + draw(st.sampled_from([0.0, 0.05, 1.0]))
         * noise.standard_normal((rows, 2))).astype(np.float32)  # fmt: skip
    weights = tuple(noise.standard_normal((h * w, 2)).astype(np.float32) for h, w in grids)
    books = Codebooks(grids, weights)
    if draw(st.booleans()):
        return books.encode(x), grids, VectorSpace(x, books)
    codes = np.column_stack([noise.integers(0, h * w, rows) for h, w in grids]).astype(np.int32)
    return codes, grids, GridSpace(codes, grids)


@settings(max_examples=150, deadline=None)
@given(quantized())
def test_nearest_free_leaves_no_collision_and_moves_no_more_than_it_must(case):
    codes, grids, space = case
    before = codes.copy()
    result = resolve("nearest_free", codes, grids, space)
    assert (codes == before).all()
    assert collision_rate(result.codes) == 0
    sizes = np.array([h * w for h, w in grids])
    assert ((result.codes >= 0) & (result.codes < sizes)).all()
    assert (result.moved == (result.codes != codes).any(1)).all()
    assert result.codes.tobytes() == resolve("nearest_free", codes, grids, space).codes.tobytes()
    if collision_rate(codes) == 0:
        assert not result.moved.any()
    # Where everybody under a prefix has room, nobody leaves it, and one POI of each cell stays.
    _, prefix = np.unique(codes[:, :-1], axis=0, return_inverse=True)
    if np.bincount(prefix.ravel()).max() <= sizes[-1]:
        assert (result.codes[:, :-1] == codes[:, :-1]).all()
        assert result.moved.sum() == len(codes) - len(np.unique(codes, axis=0))


@settings(max_examples=60, deadline=None)
@given(quantized())
def test_suffix_counts_within_a_cell(case):
    codes, grids, space = case
    result = resolve("suffix", codes, grids, space)
    assert collision_rate(result.codes) == 0
    assert (result.codes[:, :-1] == codes).all()
    assert result.grids[-1] == (1, np.unique(codes, axis=0, return_counts=True)[1].max())
    assert (result.moved == (result.codes[:, -1] > 0)).all()


def test_none_changes_nothing():
    codes = np.zeros((4, 1), np.int32)
    result = resolve("none", codes, ((2, 2),), GridSpace(codes, ((2, 2),)))
    assert (result.codes == codes).all()
    assert not result.moved.any()


def line(places, nodes):
    """One level of `nodes` at 0, 1, 2 ... and rows at `places`."""
    books = Codebooks(((1, nodes),), (np.arange(nodes, dtype=np.float32)[:, None],))
    x = np.array(places, np.float32)[:, None]
    return books.encode(x), books.grids, VectorSpace(x, books)


def test_the_nearest_stays_and_the_next_goes_to_its_nearest_free_cell():
    codes, grids, space = line([2.0, 2.2, 1.7, 3.0], 6)
    # rows 0, 1, 2 share cell 2, row 3 holds 3: row 0 stays; row 2 goes to 1; row 1 goes to 4 (3 is taken, 1 contested)
    assert nearest_free(codes, grids, space)[:, 0].tolist() == [2, 4, 1, 3]


def test_who_gains_less_gives_way():
    # Rows 1 and 2 must leave cell 0; only cells 1 and 2 are free. Row 2 lies nearer cell 1 and gets it.
    codes, grids, space = line([0.0, 0.1, 0.3], 3)
    assert nearest_free(codes, grids, space)[:, 0].tolist() == [0, 2, 1]


def test_places_go_where_they_save_most():
    """Rows 1 and 3 both want cell 2. Row 3 is nearer to it, but row 1 loses least there: the extra error counts."""

    class Table:
        # distances of four rows to four cells; rows 0 and 1 share cell 0, rows 2 and 3 cell 1
        table = np.array([[0.0, 9, 9, 9], [4, 9, 5, 8], [9, 0, 9, 9], [9, 1, 3, 4]])

        def distances(self, codes, rows, level):
            return self.table[rows]

    codes = np.array([[0], [0], [1], [1]], np.int32)
    free = nearest_free(codes, ((2, 2),), Table())
    assert free[:, 0].tolist() == [0, 2, 1, 3]  # extra of row 1: 1 or 4; of row 3: 2 or 3


def test_a_full_prefix_sends_its_farthest_to_the_nearest_prefix_with_room():
    books = Codebooks(((1, 3), (1, 2)), (np.array([[0], [10], [30]], np.float32), np.array([[-1], [1]], np.float32)))
    x = np.array([[0.0], [0.5], [2.0], [-1.0]], np.float32)  # four rows under prefix 0, which has two places
    codes = books.encode(x)
    assert codes[:, 0].tolist() == [0, 0, 0, 0]
    free = nearest_free(codes, books.grids, VectorSpace(x, books))
    assert free[:, 0].tolist() == [0, 0, 1, 1]  # the farthest from 0 leave: row 2, and row 3 by its number and distance
    assert collision_rate(free) == 0
    assert free[2, 1] == 0  # chosen anew under the new prefix: 2 - 10 is nearest to -1


def test_ties_go_by_row_number():
    codes, grids, space = line([1.0, 1.0, 1.0], 3)
    assert nearest_free(codes, grids, space)[:, 0].tolist() == [1, 0, 2]


def test_more_pois_than_ids_is_refused_with_a_remedy():
    codes, grids, space = line([0.0] * 5, 4)
    with pytest.raises(UserError, match=r"quantizer.levels: 5 POIs do not fit into 4 IDs.*suffix"):
        nearest_free(codes, grids, space)


def test_an_exactly_full_catalogue_fits():
    codes, grids, space = line([0.0] * 7, 7)
    assert sorted(nearest_free(codes, grids, space)[:, 0].tolist()) == list(range(7))
