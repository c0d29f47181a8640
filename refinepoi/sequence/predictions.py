"""From scores of the whole catalogue to the lists and ranks of `Predictions`."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.artifacts.predictions import RANKS, TABLE, Predictions
from refinepoi.ranking import expected_rank
from refinepoi.sequence.visits import Ints


def as_predictions(
    method: str, kept: int, queries: Ints, targets: Ints, scores: npt.NDArray[np.float32], facts: dict[str, Any]
) -> Predictions:
    """queries, targets: [n]; scores: [n, P] of the whole catalogue."""
    n, k = len(queries), min(kept, scores.shape[1])
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    table = {
        "method": np.full(n * k, method, object),
        "query": np.repeat(queries, k),
        "rank": np.tile(np.arange(1, k + 1), n),
        "poi": order.ravel(),
        "score": np.take_along_axis(scores, order, 1).ravel(),
    }
    ranks = {"method": np.full(n, method, object), "query": queries, "rank": expected_rank(scores, targets)}
    return Predictions(
        pl.DataFrame(table).cast(pl.Schema(TABLE)),
        pl.DataFrame(ranks).cast(pl.Schema(RANKS)),
        {"kept": k, "methods": {method: facts}},
    )
