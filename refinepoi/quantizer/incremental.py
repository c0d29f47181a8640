"""IDs for new POIs from a quantizer that is already fitted, without moving those that were given.

POIs are found again by their own name (`poi_id`). Those of the stored IDs keep theirs, code by code; new ones are
encoded and find their place around them by the same collision policy; POIs that are gone leave their ID reserved, and
have it back should they return. All this makes sense where the embeddings are those of the same encoder. What can be
checked of it: the vectors have as many columns (refused otherwise), and the POIs that were known still lie where their
IDs say, which drift measures and `align: rotate` restores where the encoder was trained again.

Drift: root mean square distance of vectors to what their IDs decode to, less what it was when the quantizer was fitted
(for known POIs that of the training POIs, for new ones that of held-out POIs), as a share of the vectors' spread then
(root mean square distance to their mean).
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.semantic_ids import Reserved, SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.quantizer.collisions import Resolved, resolve
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.quantizer import F32, I32, Quantizer
from refinepoi.quantizer.spec import FittedSpec

Drift = dict[str, float]


@dataclass(frozen=True, eq=False)
class Coded:
    """
    places: those of now, vectors turned onto the stored ones if asked; `trained` are those known before.
    first: int32 [N, L] of encoding all anew; resolved: old IDs and new ones; drift, warnings: see the head. With a
    quantizer fitted just now there is nothing before: none reserved, no drift.
    """

    places: Places
    first: I32
    resolved: Resolved
    reserved: Reserved = field(default_factory=Reserved)
    drift: Drift = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def extend(
    spec: FittedSpec, quantizer: Quantizer, stored: SemanticIds, places: Places, poi_ids: tuple[str, ...]
) -> Coded:
    """poi_ids: names of `places`, row for row. Raises UserError where the two do not belong together."""
    levels = len(quantizer.grids)
    width = quantizer.decode(np.zeros((1, levels), np.int32)).shape[1]
    if places.vectors.shape[1] != width:
        raise UserError(
            f"quantizer.codebook: {spec.codebook} was fitted on vectors of {width} columns, the embeddings have "
            f"{places.vectors.shape[1]}; use the encoder it was fitted with"
        )
    names = (*stored.poi_ids, *stored.reserved.poi_ids)
    codes = np.concatenate([stored.codes, stored.reserved.codes.reshape(-1, stored.levels)])
    row = {name: number for number, name in enumerate(names)}
    before = np.array([row.get(name, -1) for name in poi_ids], np.int64)
    old = before >= 0
    if not old.any():
        raise UserError(
            f"quantizer.codebook: none of the {len(poi_ids)} POIs is among the {len(names)} of {spec.codebook} "
            f"(here {poi_ids[0]!r}, there {names[0]!r}); was it fitted on another city?"
        )
    given = codes[before[old]]
    told = quantizer.decode(given[:, :levels])
    if spec.align == "rotate":
        places = replace(places, vectors=rotated(places.vectors, places.vectors[old], told))
    places = replace(places, trained=old)

    first, new = quantizer.encode(places), places[~old]
    resolved = resolve(stored.policy, first[~old], quantizer.grids, quantizer.space(new), codes)
    final = np.empty((len(places), stored.levels), np.int32)
    final[old], final[~old] = given, resolved.codes
    moved = np.zeros(len(places), bool)
    moved[~old] = resolved.moved

    gone = np.setdiff1d(np.arange(len(names)), before)
    drift = {
        "old_pois": int(old.sum()),
        "new_pois": int((~old).sum()),
        "gone_pois": len(gone),
        "old_drift": growth(places.vectors[old], told, stored.reference, "error"),
        "old_encoded_elsewhere": float((first[old, 0] != given[:, 0]).mean()),
    }
    if not old.all():
        told = quantizer.decode(first[~old])
        drift["new_drift"] = growth(new.vectors, told, stored.reference, "error_unseen")
    return Coded(
        places,
        first,
        Resolved(final, moved, resolved.grids),
        Reserved(tuple(names[number] for number in gone), codes[gone]),
        drift,
        warnings_of(spec, drift),
    )


def reference_of(places: Places, quantizer: Quantizer, first: I32, final: I32, unseen: float | None) -> Drift:
    """
    What drift is measured against. first, final: codes before and after the policy; unseen: root mean square error of
    POIs held out, None where none were (that of the training POIs, which is smaller, stands in).
    """
    known, levels = places.trained, first.shape[1]
    vectors = places.vectors[known]
    spread = distance(vectors, vectors.mean(0, dtype=np.float64))
    seen = distance(vectors, quantizer.decode(first[known]))
    return {
        "spread": spread,
        "error": distance(vectors, quantizer.decode(final[known, :levels])),
        "error_unseen": seen if unseen is None else unseen,
    }


def growth(vectors: F32, told: F32, then: Drift, error: str) -> float:
    return (distance(vectors, told) - then[error]) / max(then["spread"], 1e-12)


def distance(vectors: F32, told: npt.NDArray[np.floating]) -> float:
    """Root mean square distance of rows [N, D] to those told [N, D], or to one [D]."""
    return float(np.sqrt(np.square(vectors.astype(np.float64) - told).sum(1).mean()))


def rotated(vectors: F32, here: F32, there: F32) -> F32:
    """All vectors [N, D] by the rigid motion that brings `here` [n, D] closest to `there` [n, D] (Procrustes)."""
    from_here, to_there = here.mean(0, dtype=np.float64), there.mean(0, dtype=np.float64)
    left, _, right = np.linalg.svd((here - from_here).T @ (there - to_there))
    return ((vectors - from_here) @ (left @ right) + to_there).astype(np.float32)


def warnings_of(spec: FittedSpec, drift: Drift) -> list[str]:
    """A line for each threshold that is passed. Raises UserError instead where `on_drift` is stop."""
    who = {"old_drift": "POIs that had IDs no longer lie where these say", "new_drift": "new POIs lie far from any ID"}
    found = [
        f"drift: {text}: the error grew by {drift[name]:.2f} of the vectors' spread (quantizer.{name}: {limit:g}); "
        "fit the quantizer anew, or, after a new training of the encoder, try quantizer.align=rotate"
        for name, text in who.items()
        if drift.get(name, 0.0) > (limit := getattr(spec, name))
    ]
    if found and spec.on_drift == "stop":
        raise UserError("\n".join([*found, "quantizer.on_drift: stop; give on_drift=warn to go on"]))
    return found
