import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refinepoi.encoder.pairs import Known, Pairs, covisited, hold_out

HOUR = 3600


def pairs_of(*rows: tuple[int, int, int]) -> Pairs:
    first, second, count = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return Pairs(first, second, count)


def test_covisited_by_hand() -> None:
    rows = [  # trajectory, poi, utc
        (0, 4, 0), (1, 3, 0), (0, 1, HOUR), (0, 1, 2 * HOUR), (1, 2, 2 * HOUR), (0, 4, 3 * HOUR), (0, 2, 28 * HOUR),
    ]  # fmt: skip
    trajectory, poi, utc = (np.array(column) for column in zip(*rows, strict=True))
    pairs = covisited(trajectory.astype(np.int32), poi.astype(np.int32), utc, 24.0)
    assert list(zip(pairs.first, pairs.second, pairs.count, strict=True)) == [(1, 4, 2), (2, 3, 1)]
    assert len(covisited(trajectory.astype(np.int32), poi.astype(np.int32), utc, 25.0)) == 3  # 4 -> 2 took 25 h


def test_no_rows_no_pairs() -> None:
    none = np.array([], dtype=np.int32)
    assert len(covisited(none, none, none.astype(np.int64), 24.0)) == 0


def test_hold_out_parts_the_pairs_by_seed() -> None:
    pairs = pairs_of(*((i, i + 1, 1 + i % 3) for i in range(200)))
    train, held = hold_out(pairs, 0.1, 0)
    assert (len(train), len(held)) == (180, 20)
    assert set(train.first) | set(held.first) == set(range(200)) and not set(train.first) & set(held.first)
    np.testing.assert_array_equal(held.first, hold_out(pairs, 0.1, 0)[1].first)
    assert set(held.first) != set(hold_out(pairs, 0.1, 1)[1].first)
    np.testing.assert_array_equal(held.second, held.first + 1)
    np.testing.assert_array_equal(held.count, 1 + held.first % 3)


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda p: p[0] < p[1])),
    st.lists(st.integers(0, 9), min_size=1, max_size=12),
    st.lists(st.integers(0, 9), min_size=1, max_size=12),
)
def test_known_mask_is_what_a_loop_says(partners: set[tuple[int, int]], rows: list[int], columns: list[int]) -> None:
    ordered = sorted(partners)
    first, second = (np.array([p[side] for p in ordered], dtype=np.int64) for side in (0, 1))
    known = Known(Pairs(first, second, np.ones_like(first)), 10)
    mask = known.mask(torch.tensor(rows), torch.tensor(columns))
    expected = [[a == b or (min(a, b), max(a, b)) in partners for b in columns] for a in rows]
    assert mask.tolist() == expected
