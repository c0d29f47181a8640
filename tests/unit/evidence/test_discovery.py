"""Parts of the search for new places that plain loops over whole worlds do not reach."""

import numpy as np
import pytest

from refinepoi.evidence.discovery import best, blocks


@pytest.mark.parametrize(("count", "slots"), [(0, []), (1, [2, 7]), (3, [1, 2, 7]), (9, [1, 2, 7])])
def test_only_what_has_a_chance_is_listed(count: int, slots: list[int]) -> None:
    """Places where the user has been have none, also where hardly any others are left."""
    share = np.array([[0, 0.3, 0.7, 0], [0, 0, 0, 1]], np.float32)
    assert sorted(best(share, count).tolist()) == slots


def test_blocks_share_a_moment_and_are_no_longer_than_allowed() -> None:
    assert blocks(np.array([5, 5, 5, 9, 9, 5]), 2) == [(0, 2), (2, 3), (3, 5), (5, 6)]
