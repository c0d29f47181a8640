"""The trie against plain sets of prefixes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refinepoi.core.errors import UserError
from refinepoi.decoding.trie import Trie

CATALOGUES = st.integers(1, 3).flatmap(
    lambda levels: st.lists(st.tuples(*[st.integers(10, 14)] * levels), min_size=1, max_size=25)
)


@given(CATALOGUES)
@settings(max_examples=60, deadline=None)
def test_leaves_are_the_catalogue(rows: list[tuple[int, ...]]) -> None:
    trie = Trie.of(np.array(rows))
    spelled = [tuple(trie.token[path[1:]].tolist()) for path in trie.path]
    assert spelled == sorted(set(rows))
    assert [spelled[leaf] for leaf in trie.poi_leaf.tolist()] == rows
    assert [rows[poi] for poi in trie.leaf_poi.tolist()] == spelled
    assert trie.leaf_poi.tolist() == [rows.index(s) for s in spelled]  # the first place that bears the ID
    assert (trie.vocabulary[trie.slot[1:]] == trie.token[1:]).all()
    assert torch.equal(trie.parent(trie.path[:, 1:]), trie.path[:, :-1])
    assert torch.equal(trie.depth(trie.path), torch.arange(trie.levels + 1).expand_as(trie.path))


@given(CATALOGUES, st.data())
@settings(max_examples=60, deadline=None)
def test_open_children_are_the_prefixes_with_unused_leaves(rows: list[tuple[int, ...]], data: st.DataObject) -> None:
    trie = Trie.of(np.array(rows))
    spelled = sorted(set(rows))
    used = data.draw(st.lists(st.integers(0, len(spelled) - 1), unique=True, max_size=len(spelled) - 1))
    target = data.draw(st.sampled_from([n for n in range(len(spelled)) if n not in used]))
    for level in range(trie.levels):
        prefix = spelled[target][:level]
        expected = {
            s[level] for n, s in enumerate(spelled) if s[:level] == prefix and n not in used
        }  # tokens that still lead to an unused place
        child, is_open = trie.open_children(trie.path[target, level][None], torch.tensor([[*used, -1]]), level)
        assert {int(t) for t in trie.token[child[is_open]]} == expected
        assert int(is_open.sum()) == len(expected)


def test_list_longer_than_the_catalogue_is_refused() -> None:
    trie = Trie.of(np.array([[5, 6], [5, 7], [5, 7]]))
    trie.require_places(2)
    with pytest.raises(UserError, match="2 distinct IDs"):
        trie.require_places(3)
    with pytest.raises(UserError, match="at least one place"):
        Trie.of(np.zeros((0, 2), dtype=np.int64))
