"""The list a model should answer with: the target first, then the evidence's candidates in order, then popular places.

Every list holds k distinct IDs of the catalogue, so that it is a well-formed answer whatever the query.
"""

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.history import History
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.prompt.pieces import IntArray


def answer_lists(
    targets: IntArray, candidates: npt.NDArray[np.int32], history: History, semantic_ids: SemanticIds, k: int
) -> IntArray:
    """[Q, k] POI indices, no two with the same ID. targets: [Q]; candidates: [Q, C], -1 where absent."""
    names = len(semantic_ids.pois_of)
    if names < k:
        raise UserError(f"prompt.list_length: {k}, but the catalogue has {names} distinct IDs: shorten the list")
    first = np.array([semantic_ids.pois_of[text][0] for text in semantic_ids.texts])  # POIs may share an ID
    visits = np.bincount(history.poi[history.train], minlength=len(first))
    popular = list(dict.fromkeys(first[np.argsort(-visits, kind="stable")].tolist()))[: 2 * k]
    # 2k candidates hold k - 1 others unless many share an ID; the popular ones fill what is missing
    shown = candidates[:, : 2 * k].astype(np.int64)
    filled = np.where(shown >= 0, first[shown], -1).tolist()
    lists = np.empty((len(targets), k), np.int64)
    for query, (target, others) in enumerate(zip(targets.tolist(), filled, strict=True)):
        head = int(first[target])
        distinct = dict.fromkeys([head, *(poi for poi in others if poi >= 0), *popular])
        lists[query] = [target, *list(distinct)[1:k]]
    return lists
