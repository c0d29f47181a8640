"""Lists a model should answer with: the target first, if known, then the evidence's candidates, then popular places.

Every list holds k distinct IDs of the catalogue, so that it is a well-formed answer whatever the query.
"""

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.history import History
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.prompt.pieces import IntArray


def answer_lists(
    targets: IntArray | None,
    candidates: npt.NDArray[np.int32],
    history: History,
    semantic_ids: SemanticIds,
    k: int,
) -> IntArray:
    """[Q, k] POI indices, no two with the same ID.

    targets: [Q], to stand first; None: nothing is known of them. candidates: [Q, C], -1 where absent.
    """
    names = len(semantic_ids.pois_of)
    if names < k:
        raise UserError(f"prompt.list_length: {k}, but the catalogue has {names} distinct IDs: shorten the list")
    first = np.array([semantic_ids.pois_of[text][0] for text in semantic_ids.texts])  # POIs may share an ID
    visits = np.bincount(history.poi[history.train], minlength=len(first))
    popular = list(dict.fromkeys(first[np.argsort(-visits, kind="stable")].tolist()))[: 2 * k]
    # 2k candidates hold k - 1 others unless many share an ID; the popular ones fill what is missing
    shown = candidates[:, : 2 * k].astype(np.int64)
    filled = np.where(shown >= 0, first[shown], -1).tolist()
    lists = np.empty((len(filled), k), np.int64)
    heads: list[list[int]] = [[]] * len(filled) if targets is None else [[target] for target in targets.tolist()]
    for query, (head, others) in enumerate(zip(heads, filled, strict=True)):
        distinct = dict.fromkeys([*first[head].tolist(), *(poi for poi in others if poi >= 0), *popular])
        lists[query] = [*head, *list(distinct)[len(head) : k]]
    return lists
