"""The quality report of a run: the quantizer's levels and IDs, with random codes and residual k-means beside."""

from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.quantizer.collisions import Resolved, resolve
from refinepoi.quantizer.fit import Quantized, fit
from refinepoi.quantizer.quality import Categories, Report, id_report, level_report
from refinepoi.quantizer.spec import KMeansSpec, MiniSomSpec, RandomSpec, SomSpec
from refinepoi.quantizer.winners import F32

BESIDE_ITERATIONS = 25
COLLAPSE = 0.1
"""A level is called collapsed when its perplexity is below this share of what the POIs could use."""


def make_report(
    spec: SomSpec | MiniSomSpec | KMeansSpec | RandomSpec,
    x: F32,
    fitted: Quantized,
    resolved: Resolved,
    categories: Categories,
    trained: npt.NDArray[np.bool_],
) -> Report:
    """Plain numbers by name; see `quality.py` and `continuity.py` for what they mean."""
    report: Report = {
        "quantizer": spec.kind,
        "collisions": spec.collisions,
        "levels": _levels(x, fitted),
        "ids": id_report(x, fitted.codes, resolved.codes, fitted.grids, categories, fitted.books),
        "beside": {},
    }
    common: dict[str, Any] = {"levels": spec.levels, "collisions": spec.collisions, "seed": spec.seed}
    peers: dict[str, KMeansSpec | RandomSpec] = {
        "random": RandomSpec(kind="random", **common),
        "residual_kmeans": KMeansSpec(kind="kmeans", iterations=BESIDE_ITERATIONS, **common),
    }
    for name, peer in peers.items():
        if peer.kind != spec.kind:
            other = fit(peer, x, trained)
            codes = resolve(peer.collisions, other.codes, other.grids, other.space).codes
            report["beside"][name] = {
                "levels": _levels(x, other),
                "ids": id_report(x, other.codes, codes, other.grids, categories, other.books),
            }
    if not trained.all() and fitted.books is not None:
        away = ~trained
        report["held_out_levels"] = level_report(x[away], fitted.codes[away], fitted.books, fitted.topology)
    report["warnings"] = _warnings(report, len(x))
    return report


def _levels(x: F32, fitted: Quantized) -> list[Report]:
    if fitted.books is None:
        return []
    return level_report(x, fitted.codes, fitted.books, fitted.topology)


def _warnings(report: Report, pois: int) -> list[str]:
    found = []
    for number, level in enumerate(report["levels"], 1):
        usable = min(level["cells"], pois)
        if level["perplexity"] < COLLAPSE * usable:
            found.append(
                f"level {number} collapsed: used like {level['perplexity']:.1f} even cells of {usable} usable; "
                "look at the embeddings, or use a smaller grid or a smaller sigma_end"
            )
    return found
