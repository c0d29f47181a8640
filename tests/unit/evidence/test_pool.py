import numpy as np

from refinepoi.evidence.own import Table
from refinepoi.evidence.pool import best, best_moves, keep, place_in_group


def test_best_takes_the_lower_column_of_equals() -> None:
    values = np.array([[1.0, 3.0, 3.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    assert [sorted(row) for row in best(values, 2).tolist()] == [[1, 2], [0, 1]]
    assert best(values, 0).shape == (2, 0)
    assert sorted(best(values, 9)[0].tolist()) == [0, 1, 2, 3, 4]


def test_best_moves_by_count_then_poi() -> None:
    moves = Table(np.array([3, 4, 7, 12, 15]), np.array([[1.0], [5.0], [5.0], [2.0], [2.0]]))  # 10 POIs
    assert best_moves(moves, 2, 10).tolist() == [4, 7, 12, 15]
    assert best_moves(moves, 1, 10).tolist() == [4, 12]


def test_place_in_group() -> None:
    assert place_in_group(np.array([0, 0, 2, 2, 2, 5])).tolist() == [0, 1, 0, 1, 2, 0]
    assert place_in_group(np.zeros(0, np.int64)).tolist() == []


def test_table_at_gives_zero_where_absent() -> None:
    table = Table(np.array([2, 5]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert table.at(np.array([5, 4, 2, 9])).tolist() == [[3, 4], [0, 0], [1, 2], [0, 0]]
    assert Table(np.zeros(0, np.int64), np.zeros((0, 2))).at(np.array([1])).tolist() == [[0, 0]]


def test_keep_has_room_for_all_that_is_listed() -> None:
    group = np.array([0, 0, 0, 0, 2, 2, 2])
    listed = np.array([False, False, False, True, False, False, False])
    assert keep(group, listed, 2).tolist() == [True, False, False, True, True, True, False]
    assert keep(group, np.ones(7, np.bool_), 2).tolist() == [True, True, False, False, True, True, False]
    assert keep(group[:0], listed[:0], 2).tolist() == []
