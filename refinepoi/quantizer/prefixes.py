"""What POIs under the same prefix have in common: category, place, and how many they are.

* purity: share of POIs of the commonest category of their prefix; `purity_random` is the same with categories shuffled
  over POIs, which tells what small buckets alone give.
* kilometres: median great-circle distance between two POIs of one prefix (each POI with up to PARTNERS others of its
  prefix; all of them where prefixes are small; at most SOURCES POIs), beside that of random pairs.
* buckets: quantiles of the number of POIs under a prefix in use.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.core.earth import EARTH_KM
from refinepoi.core.seeding import generator
from refinepoi.quantizer.hierarchy import I32
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.winners import F64

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
PARTNERS, SOURCES = 20, 20_000
QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "q90": 0.9, "max": 1.0}


def prefix_report(codes: I32, places: Places, of: Mask | None = None) -> dict[str, Any]:
    """codes: int32 [N, l], prefixes of l levels; of: bool [N], the POIs to average over (all)."""
    group = np.unique(codes, axis=0, return_inverse=True)[1].ravel()
    kind = np.unique(places.category, return_inverse=True)[1].ravel()
    draw = generator(0, "prefixes")
    here = np.ones(len(group), bool) if of is None else of
    sources = np.flatnonzero(here)
    pairs = partners(group, draw, np.sort(draw.permutation(sources)[:SOURCES]))
    random = np.stack([np.arange(len(group)), draw.permutation(len(group))], 1)
    return {
        "prefixes": len(np.unique(group[here])),
        "purity": purity(group, kind, here),
        "purity_random": purity(group, draw.permutation(kind), here),
        "kilometres": _median_kilometres(places, pairs),
        "kilometres_random": _median_kilometres(places, random[here & (random[:, 0] != random[:, 1])]),
        "buckets": bucket_quantiles(group),
    }


def purity(group: Rows, kind: Rows, of: Mask) -> float:
    """Mean over POIs `of` of the share of the commonest category among all POIs of their group."""
    pairs, counts = np.unique(np.stack([group, kind], 1), axis=0, return_counts=True)
    best = np.zeros(int(group.max(initial=0)) + 1)
    np.maximum.at(best, pairs[:, 0], counts)
    share = best / np.maximum(np.bincount(group, minlength=len(best)), 1)
    return float(share[group[of]].mean())


def partners(group: Rows, draw: np.random.Generator, sources: Rows) -> Rows:
    """int64 [n, 2]: each row of `sources` with up to PARTNERS others of its group, without repetition."""
    mixed = draw.permutation(len(group))
    order = mixed[np.argsort(group[mixed], kind="stable")]
    first = np.flatnonzero(np.r_[True, np.diff(group[order]) != 0])
    size = np.diff(np.r_[first, len(order)])
    at = np.empty(len(order), np.int64)
    at[order] = np.arange(len(order))
    start, members = (np.repeat(values, size)[at[sources]] for values in (first, size))
    place = at[sources] - start
    found = [np.zeros((0, 2), np.int64)]
    for step in range(1, PARTNERS + 1):  # the next but `step` in the circle of the group
        some = members > step
        other = order[start[some] + (place[some] + step) % members[some]]
        found.append(np.stack([sources[some], other], 1))
    return np.concatenate(found)


def bucket_quantiles(group: Rows) -> dict[str, float]:
    """Quantiles of the sizes of groups in use."""
    sizes = np.unique(group, return_counts=True)[1]
    return {name: float(np.quantile(sizes, share)) for name, share in QUANTILES.items()}


def kilometres(latitude: tuple[F64, F64], longitude: tuple[F64, F64]) -> F64:
    """Great-circle distances between (from, to) in degrees, by the haversine formula."""
    (north, other_north), (east, other_east) = np.deg2rad(latitude), np.deg2rad(longitude)
    half = np.sin((other_north - north) / 2) ** 2
    half = half + np.cos(north) * np.cos(other_north) * np.sin((other_east - east) / 2) ** 2
    return np.asarray(2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def _median_kilometres(places: Places, pairs: Rows) -> float | None:
    if not len(pairs):
        return None
    a, b = pairs.T
    latitude, longitude = places.latitude, places.longitude
    return float(np.median(kilometres((latitude[a], latitude[b]), (longitude[a], longitude[b]))))
