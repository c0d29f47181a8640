"""Winners against a naive loop; far-away, huge and nearly equal data."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinepoi.quantizer import winners
from refinepoi.quantizer.hierarchy import search_of
from refinepoi.quantizer.winners import WinnerSearch


def naive(x, weights):
    x, weights = x.astype(np.float64), weights.astype(np.float64)
    return np.array([[((row - node) ** 2).sum() for node in weights] for row in x])


@pytest.mark.parametrize("nodes", [1, 2, 7, 256])
@pytest.mark.parametrize("rows", [1, 5, 700])
def test_the_same_winners_as_a_naive_loop(nodes, rows):
    draw = np.random.default_rng(nodes + rows)
    x = draw.standard_normal((rows, 9)).astype(np.float32)
    weights = draw.standard_normal((nodes, 9)).astype(np.float32)
    distances = naive(x, weights)
    search = search_of(weights)
    assert (search.nearest(x)[0] == distances.argmin(1)).all()


def test_chunks_meet_without_a_seam(monkeypatch):
    monkeypatch.setattr(winners, "CHUNK_BYTES", 4 * 5 * 128)  # 128 rows at a time, then 64, then the rest
    draw = np.random.default_rng(0)
    x, weights = draw.standard_normal((455, 4)).astype(np.float32), draw.standard_normal((5, 4)).astype(np.float32)
    sizes = [len(x[part]) for part in winners._pieces(len(x), 128)]
    assert sizes == [128, 128, 128, 64, 7]
    assert (search_of(weights).nearest(x)[0] == naive(x, weights).argmin(1)).all()


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_any_size_of_numbers(size):
    draw = np.random.default_rng(1)
    x, weights = draw.standard_normal((200, 6)), draw.standard_normal((30, 6))
    expected = naive(x, weights).argmin(1)
    found = search_of((weights * size).astype(np.float32)).nearest((x * size).astype(np.float32))[0]
    assert (found == expected).mean() > 0.99  # float32 rounding of the inputs may turn a near tie


def test_data_far_from_the_origin():
    draw = np.random.default_rng(2)
    x, weights = draw.standard_normal((300, 4)) + 3000, draw.standard_normal((40, 4)) + 3000
    x, weights = x.astype(np.float32), weights.astype(np.float32)
    assert (search_of(weights).nearest(x)[0] == naive(x, weights).argmin(1)).all()


def test_near_ties_are_decided_in_float64():
    """Rows on the border of two nodes up to the last bit of float32: a float32 search errs on a tenth of them."""
    draw = np.random.default_rng(0)
    weights = draw.standard_normal((300, 40)).astype(np.float32)
    pairs = draw.integers(0, 300, (2000, 2))
    x = ((weights[pairs[:, 0]].astype(np.float64) + weights[pairs[:, 1]]) / 2 + 3).astype(np.float32)
    weights += 3
    distances = ((x[:, None].astype(np.float64) - weights) ** 2).sum(2)
    float32_only = (np.square(weights).sum(1) / 2 - x @ weights.T).argmin(1)
    assert (float32_only != distances.argmin(1)).mean() > 0.05
    assert (search_of(weights).nearest(x)[0] == distances.argmin(1)).all()


def test_equal_nodes_are_one_node_to_the_search():
    weights = np.repeat(np.random.default_rng(0).standard_normal((3, 5)), 40, axis=0).astype(np.float32)
    x = weights[::7] + np.float32(0.01)
    assert (search_of(weights).nearest(x)[0] == naive(x, weights).argmin(1)).all()


def test_without_onednn_the_same_winners(monkeypatch):
    draw = np.random.default_rng(4)
    x, weights = draw.standard_normal((500, 20)).astype(np.float32), draw.standard_normal((90, 20)).astype(np.float32)
    first, scores = search_of(weights).nearest(x)
    monkeypatch.setattr(winners, "has_onednn", lambda: False)
    second, again = search_of(weights).nearest(x)
    assert (first == second).all()
    np.testing.assert_allclose(scores, again, atol=1e-5)


def test_scores_give_distances():
    draw = np.random.default_rng(3)
    x, weights = draw.standard_normal((50, 5)).astype(np.float32), draw.standard_normal((8, 5))
    centre, scale = draw.standard_normal(5), 2.0
    codes, scores = WinnerSearch(weights - centre, centre, scale).nearest(x)
    away = np.square((x - centre) / scale).sum(1)
    np.testing.assert_allclose(scale**2 * (away + 2 * scores), np.square(x - weights[codes]).sum(1), atol=1e-4)


def test_equal_distances_go_to_the_lowest_number():
    weights = np.array([[1.0, 0], [1, 0], [-1, 0]], np.float32)
    assert search_of(weights).nearest(np.array([[1, 0.5], [0, 3]], np.float32))[0].tolist() == [0, 0]


def test_among_some_nodes_answers_with_their_places():
    draw = np.random.default_rng(5)
    x, weights = draw.standard_normal((300, 7)).astype(np.float32), draw.standard_normal((50, 7)).astype(np.float32)
    nodes = np.array([3, 4, 11, 30, 49])
    whole = search_of(weights)
    whole.nearest(x)  # its packed weights must not be those of the part
    codes, scores = whole.among(nodes).nearest(x)
    distances = naive(x, weights)
    assert (codes == distances[:, nodes].argmin(1)).all()
    same = whole.nearest(x)[0] == nodes[codes]
    assert 0 < same.sum() < len(x)
    np.testing.assert_allclose(scores[same], whole.nearest(x)[1][same], atol=1e-6)


def test_a_search_can_be_copied_and_pickled_after_use():
    draw = np.random.default_rng(6)
    x, weights = draw.standard_normal((300, 7)).astype(np.float32), draw.standard_normal((50, 7)).astype(np.float32)
    search = search_of(weights)
    expected = search.nearest(x)[0]
    for other in (copy.deepcopy(search), pickle.loads(pickle.dumps(search))):  # noqa: S301
        assert (other.nearest(x)[0] == expected).all()


def test_a_row_is_treated_alike_alone_and_among_others():
    """Doubtful rows are decided together: what they are decided with must not show."""
    draw = np.random.default_rng(7)
    weights = draw.standard_normal((120, 30)).astype(np.float32)
    pairs = draw.integers(0, 120, (400, 2))
    x = ((weights[pairs[:, 0]].astype(np.float64) + weights[pairs[:, 1]]) / 2).astype(np.float32)
    search = search_of(weights)
    together = search.nearest(x)[0]
    assert [search.nearest(x[n : n + 1])[0][0] for n in range(len(x))] == together.tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5000), st.integers(6, 12))
def test_pieces_cover_all_rows_in_few_sizes(rows, power):
    pieces = [range(rows)[part] for part in winners._pieces(rows, 2**power)]
    assert [n for piece in pieces for n in piece] == list(range(rows))
    assert all(len(piece) in {64 << n for n in range(power - 5)} for piece in pieces[:-1])
    assert not pieces or len(pieces[-1]) <= 2**power
