"""Trie over the catalogue's ID tokens as flat arrays: which token may come next, and how many places lie beyond it.

Nodes are numbered level by level in lexicographic order, so the children of a node are one range (CSR). A node is
closed for a row once every leaf below it has been used by that row; dead ends therefore cannot be reached. Memory is
linear in the catalogue and does not depend on how many rows are decoded.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from refinepoi.core.errors import UserError


@dataclass(frozen=True, eq=False)
class Trie:
    """
    path: int64 [leaves, L + 1], the nodes from the root (0) to each leaf.
    token: int64 [nodes], the tokenizer's id that leads to a node (-1 at the root).
    slot: int64 [nodes], position of that token in `vocabulary` (0 at the root).
    vocabulary: int64 [V], the distinct ID tokens, ascending. Scores over the trie are [.., V], never the whole head.
    first_child, children, leaves: int64 [nodes], the range of children and the number of leaves below a node.
    leaf_poi: int64 [leaves], the place of a leaf; the first one where several places bear one ID.
    poi_leaf: int64 [P], the leaf of each place.
    widths: the most children of a node, by level.
    """

    path: Tensor
    token: Tensor
    slot: Tensor
    vocabulary: Tensor
    first_child: Tensor
    children: Tensor
    leaves: Tensor
    leaf_poi: Tensor
    poi_leaf: Tensor
    widths: tuple[int, ...]

    @classmethod
    def of(cls, token_ids: Tensor | npt.NDArray[np.int64]) -> Self:
        """`token_ids`: int64 [P, L], the ID of each place as ids of the tokenizer."""
        rows = np.asarray(token_ids, dtype=np.int64)
        if rows.ndim != 2 or rows.size == 0:
            raise UserError(f"semantic IDs of shape {rows.shape}: a catalogue needs at least one place and one level")
        ids, leaf_poi, poi_leaf = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        count, levels = ids.shape
        new_leaf = np.ones((count, levels), dtype=bool)  # does the prefix up to a level differ from the leaf before?
        new_leaf[1:] = np.logical_or.accumulate(ids[1:] != ids[:-1], axis=1)
        path = np.zeros((count, levels + 1), dtype=np.int64)
        token, offset = [np.array([-1])], 1
        for level in range(levels):
            path[:, level + 1] = offset + np.cumsum(new_leaf[:, level]) - 1
            token.append(ids[new_leaf[:, level], level])
            offset += len(token[-1])
        tokens = np.concatenate(token)
        vocabulary = np.unique(rows)
        slot = np.searchsorted(vocabulary, tokens)
        slot[0] = 0
        leaves = np.bincount(path.ravel(), minlength=offset)
        first_child, children = np.zeros(offset, dtype=np.int64), np.zeros(offset, dtype=np.int64)
        widths = []
        for level in range(levels):
            child, first = np.unique(path[:, level + 1], return_index=True)
            parent, start, size = np.unique(path[first, level], return_index=True, return_counts=True)
            first_child[parent], children[parent] = child[start], size
            widths.append(int(size.max()))
        return cls(
            path=_tensor(path),
            token=_tensor(tokens),
            slot=_tensor(slot),
            vocabulary=_tensor(vocabulary),
            first_child=_tensor(first_child),
            children=_tensor(children),
            leaves=_tensor(leaves),
            leaf_poi=_tensor(leaf_poi),
            poi_leaf=_tensor(poi_leaf.reshape(-1)),
            widths=tuple(widths),
        )

    @property
    def levels(self) -> int:
        return len(self.widths)

    @property
    def first_leaf(self) -> int:
        """The leaves are the last nodes: leaf = node - first_leaf."""
        return len(self.token) - self.places

    @property
    def places(self) -> int:
        """Number of distinct IDs: the longest list without duplicates."""
        return len(self.path)

    def to(self, device: torch.device | str) -> "Trie":
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "widths"})

    def require_places(self, k: int) -> None:
        if not 1 <= k <= self.places:
            raise UserError(
                f"a list of {k} different places cannot be made from a catalogue with {self.places} distinct IDs: "
                f"choose a list length from 1 to {self.places}"
            )

    def all_children(self, node: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """Children of `node` [..] as nodes [.., width] (any valid node beyond its own), and which are real."""
        column = torch.arange(width, device=node.device)
        child = (self.first_child[node][..., None] + column).clamp_(max=len(self.token) - 1)
        return child, column < self.children[node][..., None]

    def parent(self, node: Tensor) -> Tensor:
        """The node above each of `node` [..]; the root's is the root."""
        inner = self.first_child[: self.first_leaf]  # rises: every node above the leaves has children of its own
        return (torch.bucketize(node.contiguous(), inner, right=True) - 1).clamp_(min=0)

    def depth(self, node: Tensor) -> Tensor:
        """How many tokens lead to each of `node` [..]."""
        return (
            torch.bucketize(node.contiguous(), self.path[0], right=True) - 1
        )  # the first leaf's path: the first node of each level

    def open_children(self, node: Tensor, used: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """What may follow `node` [R] (all of `level`) for rows that have used the leaves `used` [R, J] (-1: none).

        Returns the children [R, C] as nodes (C = widths[level]; arbitrary valid nodes beyond a node's own children) and
        whether each is open [R, C]. A node that was reached through open children has at least one open child.
        """
        child, is_open = self.all_children(node, self.widths[level])
        if used.shape[1]:
            on_path = (used >= 0) & (self.path[used, level] == node[:, None])
            below = self.path[used, level + 1]
            full = on_path
            if level < self.levels - 1:  # a leaf is full once used, an inner node once all its leaves are
                same = (below[:, :, None] == below[:, None, :]) & on_path[:, None, :]
                full = on_path & (same.sum(-1) == self.leaves[below])
            row, position = full.nonzero(as_tuple=True)
            is_open[row, below[row, position] - self.first_child[node[row]]] = False
        return child, is_open


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64))
