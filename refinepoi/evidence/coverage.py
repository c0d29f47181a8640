"""Coverage: what a reader of the candidates can reach at best, all targets and those never visited before."""

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.evidence.world import Ints


def coverage(evidence: Evidence, trajectories: Trajectories) -> dict[str, float]:
    """Share of each split's targets among the first candidates: what a reader of so many can reach at best."""
    position = evidence.position(trajectories.queries["target"].to_numpy())
    found = {}
    for split in SPLITS:
        places = position[trajectories.query_rows(split)]
        for first in (10, 20, 32, evidence.candidates.shape[1]):
            if len(places):
                found[f"{split}_targets_in_first_{first}"] = float(((places >= 0) & (places < first)).mean())
    return found | recall(evidence, trajectories, position)


def recall(evidence: Evidence, trajectories: Trajectories, position: Ints) -> dict[str, float]:
    """Share of the places that a user never visited before which the list of new places has among its first.

    A target stands behind all others that are as likely.
    """
    likely, new = evidence.counter("new_likely"), discoveries(trajectories)
    own = np.take_along_axis(likely, np.maximum(position, 0)[:, None], 1)
    place = np.where((position >= 0) & (own[:, 0] > 0), (likely >= own).sum(1), np.inf)
    found = {}
    for split in SPLITS:
        places = (
            place[rows] if len(rows := np.intersect1d(trajectories.query_rows(split), np.flatnonzero(new))) else rows
        )
        for first in (10, 20, 50, 100):
            if len(places):
                found[f"{split}_discoveries_in_first_{first}_new"] = float((places <= first).mean())
    return found


def discoveries(trajectories: Trajectories) -> npt.NDArray[np.bool_]:
    """[Q] whether the user, not here for the first time, had not been to the target before."""
    user, poi, utc = (trajectories.checkins[name].to_numpy().astype(np.int64) for name in ("user", "poi", "utc"))
    row = trajectories.queries["row"].to_numpy()

    def begun(group: Ints) -> npt.NDArray[np.bool_]:
        """[Q] whether the group of the target's row has an earlier row. Rows are in time order."""
        _, first, which = np.unique(group, return_index=True, return_inverse=True)
        return np.asarray(utc[first][which[row]] < utc[row])

    return begun(user) & ~begun(user * trajectories.pois.height + poi)
