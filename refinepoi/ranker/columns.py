"""Columns the trees read of each candidate: its counters, its place in the evidence's order, and the query's own facts.

A fact of the query is the same for all its candidates: it cannot order them by itself, but trees can let it decide
which counter to trust. NaN where hidden or absent, which LightGBM takes as missing.
"""

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence

PLACE = "place"


def names(evidence: Evidence, parts: bool) -> list[str]:
    """Of the columns of `table`."""
    own = [f"{name}_part" for name in _divisible(evidence)] if parts else []
    return [*evidence.names, *own, PLACE, *evidence.context_names]


def table(evidence: Evidence, queries: npt.NDArray[np.int64], candidates: int, parts: bool) -> npt.NDArray[np.float32]:
    """[n, C, F] of the first `candidates` of each query, columns as `names`; without meaning where no candidate is."""
    counters = np.asarray(evidence.counters[queries])
    shape = counters.shape[:2]
    columns = [counters]
    if parts:
        some = counters[:, :, [evidence.names.index(name) for name in _divisible(evidence)]]
        total = some.sum(1, keepdims=True)
        columns.append(np.divide(some, total, out=np.zeros_like(some), where=total > 0))
    columns.append(np.broadcast_to(np.arange(shape[1], dtype=np.float32)[None, :, None], (*shape, 1)))
    facts = evidence.context[queries][:, None, :]
    columns.append(np.broadcast_to(facts, (*shape, facts.shape[2])))
    return np.concatenate([column[:, :candidates] for column in columns], 2)


def _divisible(evidence: Evidence) -> list[str]:
    """Counters whose sum over the candidates means something."""
    return [name for name in evidence.names if not name.endswith(("_share", "_part")) and "since" not in name]
