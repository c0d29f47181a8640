"""Strata: groups of samples that are told apart in the table (docs/method.md section 4).

Activity and cold start count a user's training trajectories; length counts the visible check-ins of the trajectory
before the target; `return` means that the target's POI stands in the history the method was allowed to see.
Everything is judged by rows strictly earlier than the target's.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.core.earth import EARTH_KM
from refinepoi.evaluation.spec import StrataSpec

Ints = npt.NDArray[np.int64]


PLACES = (1, 5, 10, 20, 50)
"""Ends of the groups of the target's place among the candidates."""


@dataclass(frozen=True, eq=False)
class Stratum:
    """
    labels: names of the groups, in order.
    group: int64 [n], index into labels.
    measure: float64 [n], what the groups were made from (their observed range is reported), or None.
    """

    labels: tuple[str, ...]
    group: Ints
    measure: npt.NDArray[np.float64] | None = None


def find_strata(trajectories: Trajectories, rows: Ints, history: str, spec: StrataSpec) -> dict[str, Stratum]:
    """
    The strata of some queries.

    rows: int64 [n], query numbers.  history: `all` or `train_prefix`, what a method could see of the user's past.
    """
    past = _Past(trajectories, rows)
    trained = _training_trajectories(trajectories)
    activity, length = trained[past.user], past.trajectory_length()
    distance = past.kilometres_from_last_place()
    hour = past.local // 3600 % 24
    begins = [*spec.hours, *([24] if spec.hours[0] == 0 else [spec.hours[0] + 24])]
    names = tuple(f"{a:02d}-{(b - 1) % 24 + 1:02d} h" for a, b in pairwise(begins))
    edges = ["0", *(f"{km:g}" for km in spec.distances)]
    parts = tuple(f"{a}-{b} km" for a, b in pairwise(edges))
    return {
        "activity": _parts(activity, trained[trained > 0], spec.groups),
        "cold_start": Stratum(
            (f"< {spec.few}", f">= {spec.few}"), (activity >= spec.few) * 1, activity.astype(np.float64)
        ),
        "length": _parts(length, length, spec.groups),
        "novelty": Stratum(("return", "discovery"), ~past.returns(history) * 1),
        "distance": Stratum(
            (*parts, f">= {edges[-1]} km"), np.searchsorted(np.array(spec.distances), distance, side="right"), distance
        ),
        # an hour before the first beginning belongs to the part that runs past midnight: -1 becomes the last
        "hour": Stratum(names, (np.searchsorted(np.array(spec.hours), hour, side="right") - 1) % len(names)),
    }


def place_stratum(position: Ints) -> Stratum:
    """By the target's place among the evidence's candidates. position: [n], from 0, -1 where it is none."""
    labels = [f"{low + 1}-{high}" if high > low + 1 else f"{high}" for low, high in pairwise((0, *PLACES))]
    group = np.searchsorted(np.array(PLACES), position + 1, side="left")
    absent = len(labels) + 1
    return Stratum((*labels, f"> {PLACES[-1]}", "no candidate"), np.where(position < 0, absent, group))


def bounds(position: Ints) -> dict[str, float]:
    """What a perfect reader of the first n candidates would reach (Acc@1 = MRR): share of targets among them."""
    found = {f"first_{n}": float(((position >= 0) & (position < n)).mean()) for n in PLACES}
    return found | {"all": float((position >= 0).mean())}


def _parts(values: Ints, population: Ints, groups: int) -> Stratum:
    """Equal parts of the population; equal values always fall into the same part."""
    cuts = np.quantile(population, np.arange(1, groups) / groups) if population.size else np.zeros(groups - 1)
    thirds = ("low", "middle", "high")
    labels = thirds if groups == 3 else tuple(f"{part + 1} of {groups}" for part in range(groups))
    return Stratum(labels, np.searchsorted(cuts, values, side="left"), values.astype(np.float64))


def _training_trajectories(trajectories: Trajectories) -> Ints:
    """Number of distinct trajectories with a training check-in of each user. int64 [U]."""
    checkins = trajectories.checkins
    train = checkins["split"].to_numpy() == SPLITS.index("train")
    pairs = np.unique(np.stack([checkins["user"].to_numpy()[train], checkins["trajectory"].to_numpy()[train]]), axis=1)
    return np.bincount(pairs[0], minlength=trajectories.users.height)


class _Past:
    """Queries beside the check-ins, all as int64 arrays."""

    def __init__(self, trajectories: Trajectories, rows: Ints) -> None:
        checkins, queries = trajectories.checkins, trajectories.queries
        self.rows = {c: checkins[c].to_numpy().astype(np.int64) for c in ("user", "poi", "utc", "trajectory", "split")}
        at = queries["row"].to_numpy()[rows]
        self.user, self.target = (queries[c].to_numpy()[rows].astype(np.int64) for c in ("user", "target"))
        self.trajectory = queries["trajectory"].to_numpy()[rows].astype(np.int64)
        self.utc = self.rows["utc"][at]
        self.local = checkins["local"].to_numpy()[at]
        self.places = trajectories.pois
        self.pois = trajectories.pois.height

    def trajectory_length(self) -> Ints:
        """Check-ins of the query's trajectory before the target. int64 [n]."""
        first, before = _before(self.rows["trajectory"], self.rows["utc"], self.trajectory, self.utc)[:2]
        return before - first

    def returns(self, history: str) -> npt.NDArray[np.bool_]:
        """Whether the target was visited in the visible past. bool [n]."""
        key, wanted = self.rows["user"] * self.pois + self.rows["poi"], self.user * self.pois + self.target
        if history == "all":
            return _seen(key, self.rows["utc"], wanted, self.utc)
        train = self.rows["split"] == SPLITS.index("train")
        prefix = self.rows["trajectory"] * self.pois + self.rows["poi"]
        return _seen(key[train], self.rows["utc"][train], wanted, self.utc) | _seen(
            prefix, self.rows["utc"], self.trajectory * self.pois + self.target, self.utc
        )

    def kilometres_from_last_place(self) -> npt.NDArray[np.float64]:
        """Great-circle distance from the user's last check-in before the target; infinity without one. float64 [n]."""
        first, before, order = _before(self.rows["user"], self.rows["utc"], self.user, self.utc)
        last = self.rows["poi"][order[np.maximum(before - 1, 0)]]
        latitude, longitude = (np.radians(self.places[c].to_numpy()) for c in ("latitude", "longitude"))
        a, b = latitude[last], latitude[self.target]
        turn = longitude[self.target] - longitude[last]
        half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(turn / 2) ** 2
        kilometres = 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
        return np.where(before > first, kilometres, np.inf)


def _before(key: Ints, utc: Ints, wanted: Ints, until: Ints) -> tuple[Ints, Ints, Ints]:
    """
    Rows of each wanted key strictly before a time, as a range of rows ordered by (key, utc).

    key, utc: [N].  wanted, until: [n].  Returns (first [n], end [n], order [N]).
    """
    order = np.lexsort((utc, key))
    low = min(utc.min(initial=0), until.min(initial=0))
    span = max(utc.max(initial=0), until.max(initial=0)) - low + 1
    line = key[order] * span + (utc[order] - low)
    return np.searchsorted(line, wanted * span), np.searchsorted(line, wanted * span + (until - low)), order


def _seen(key: Ints, utc: Ints, wanted: Ints, until: Ints) -> npt.NDArray[np.bool_]:
    first, end, _ = _before(key, utc, wanted, until)
    return end > first


def observed(stratum: Stratum, members: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """`{"range": [least, most]}` of what a group was made from, as far as it is finite."""
    if stratum.measure is None:
        return {}
    finite = stratum.measure[members & np.isfinite(stratum.measure)]
    return {"range": [float(finite.min()), float(finite.max())]} if finite.size else {}
