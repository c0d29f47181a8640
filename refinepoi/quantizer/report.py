"""The quality report of a run: the quantizer; random codes, residual k-means and an RQ-VAE of the same grids beside it.

Everything is measured the same way on all of them, and again on places no quantizer has learned from: those outside
training, or where all are in training a share left out of a second fit (encoded; no collision policy moves them).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.core.seeding import generator
from refinepoi.quantizer.collisions import Resolved, resolve
from refinepoi.quantizer.continuity import continuity, distance_agreement
from refinepoi.quantizer.fit import fit
from refinepoi.quantizer.gate import findings_of, stop_if_asked, warnings_of
from refinepoi.quantizer.hierarchy import I32
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.prefixes import prefix_report
from refinepoi.quantizer.quality import Report, id_report, level_report, shared, variance_of
from refinepoi.quantizer.quantizer import Quantizer
from refinepoi.quantizer.spec import FitSpec, KMeansSpec, RandomSpec, RqVaeSpec

Mask = npt.NDArray[np.bool_]
PEERS = {"random": "random", "kmeans": "residual_kmeans", "rqvae": "rqvae"}
KMEANS_ITERATIONS = 50
# The peers are those of conf/quantizer, whatever is set for the quantizer itself: reports of different runs compare.
RQVAE: dict[str, Any] = {
    "hidden": (256,), "latent": 64, "batch_size": 256, "learning_rate": 0.001, "commitment": 0.25, "decay": 0.99,
    "dead_below": 0.05,
}  # fmt: skip
RQVAE_ROWS = 500_000
"""Rows that the RQ-VAE beside sees in all: 100 epochs of 5,000 places."""


def make_report(spec: FitSpec, places: Places, quantizer: Quantizer, first: I32, resolved: Resolved) -> Report:
    """
    Plain numbers by name; `quality.py`, `neighbourhood.py`, `prefixes.py` and `continuity.py` say what they mean.
    first: int32 [N, L], the codes of `places` before the collision policy. Raises UserError where the gate says stop,
    before anything else is fitted.
    """
    report: Report = {
        "quantizer": spec.kind,
        "collisions": spec.collisions,
        "topology": quantizer.topology,
        **measure(places, quantizer, first, resolved.codes),
        "beside": {},
    }
    report["warnings"] = warnings_of(report, spec.quality)
    stop_if_asked(report["warnings"], spec.quality)
    report["held_out"] = held_out(places, spec.quality.held_out, quantizer, _fitter(spec))
    for peer in peers_of(spec, quantizer, len(places)):
        other = fit(peer, places)
        codes = other.encode(places)
        final = resolve(peer.collisions, codes, other.grids, other.space(places)).codes
        report["beside"][PEERS[peer.kind]] = {
            **measure(places, other, codes, final),
            "held_out": held_out(places, spec.quality.held_out, other, _fitter(peer)),
        }
    report["findings"] = findings_of(report, spec)
    return report


def measure(places: Places, quantizer: Quantizer, first: I32, final: I32) -> Report:
    """Levels as encoded; prefixes and IDs as given out."""
    variance = variance_of(places.known.vectors)
    return {
        "levels": level_report(places, first, quantizer, variance),
        "prefixes": _prefixes(places, final, quantizer),
        "ids": {
            **id_report(places, first, final, quantizer, variance),
            "level_1_spearman": distance_agreement(places.vectors, final, quantizer.grids),
        },
    }


def held_out(places: Places, share: float, quantizer: Quantizer, refit: Callable[[Places], Quantizer]) -> Report | None:
    """
    The same on places that were only encoded, among all others. None where there are none. share: of the places, left
    out of a second fit where all are in training.
    """
    away = ~places.trained
    again = not away.any()
    if again:
        away = np.zeros(len(places), bool)
        away[generator(0, "held out").permutation(len(places))[: round(share * len(places))]] = True
        if not away.any() or away.all():
            return None
        quantizer = refit(places[~away])
    codes = quantizer.encode(places)
    return {
        "places": int(away.sum()),
        "second_fit": again,
        "levels": level_report(places[away], codes[away], quantizer, variance_of(places[~away].vectors)),
        "prefixes": _prefixes(places, codes, quantizer, away),
        "ids": {"collision_rate_before": float(shared(codes)[away].mean())},
    }


def peers_of(spec: FitSpec, quantizer: Quantizer, rows: int) -> list[KMeansSpec | RandomSpec | RqVaeSpec]:
    """What stands beside: never a second one of the same kind."""
    if spec.quality.beside == "off":
        return []
    common: dict[str, Any] = {
        "levels": tuple(f"{height}x{width}" for height, width in quantizer.grids),
        "collisions": spec.collisions, "seed": spec.seed, "quality": spec.quality,
    }  # fmt: skip
    peers: list[KMeansSpec | RandomSpec | RqVaeSpec] = [
        RandomSpec(kind="random", **common),
        KMeansSpec(kind="kmeans", iterations=KMEANS_ITERATIONS, **common),
    ]
    if spec.quality.beside == "all":
        peers.append(RqVaeSpec(kind="rqvae", epochs=max(1, RQVAE_ROWS // max(rows, 5000)), **RQVAE, **common))
    return [peer for peer in peers if peer.kind != spec.kind]


def _fitter(spec: FitSpec) -> Callable[[Places], Quantizer]:
    return lambda places: fit(spec, places)


def _prefixes(places: Places, codes: I32, quantizer: Quantizer, of: Mask | None = None) -> list[Report]:
    """What stands under the same first code, the same first two codes, ...; the last one is the whole ID."""
    kinds = np.unique(places.category, return_inverse=True)[1].ravel()
    return [
        {
            **prefix_report(codes[:, :depth], places, of),
            **continuity(places.vectors, codes[:, :depth], quantizer.grids[:depth], kinds, of),
        }
        for depth in range(1, len(quantizer.grids) + 1)
    ]
